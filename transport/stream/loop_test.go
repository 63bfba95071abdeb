package stream

import "fmt"

// inLoop runs f on the loop's goroutine.
func (r *rig) inLoop(f func(l *loop)) {
	l := r.pool.loops[0]
	done := make(chan struct{})
	l.post(func() {
		f(l)
		close(done)
	})
	<-done
}

// freeze stops a loop until thaw is called.
func freeze(l *loop) (thaw func()) {
	stopped, going := make(chan struct{}), make(chan struct{})
	l.post(func() {
		close(stopped)
		<-going
	})
	<-stopped
	return func() { close(going) }
}

// draining reports whether a loop has begun to end streams.
func draining(l *loop) bool {
	answer := make(chan bool, 1)
	if !l.post(func() { answer <- l.drainer != nil && (l.drainer.started || l.drainer.over) }) {
		return false
	}
	return <-answer
}

// silent reports whether a loop writes no keep-alives any more.
func silent(l *loop) bool {
	answer := make(chan bool, 1)
	if !l.post(func() { answer <- l.drainer != nil }) {
		return false
	}
	return <-answer
}

// awaitForgotten waits until the loops follow a shard no more.
func (r *rig) awaitForgotten(shard int) {
	r.t.Helper()
	eventually(r.t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			if n := l.live.fronts[shard].herds; n > 0 {
				wrong = fmt.Sprintf("shard %d has %d herds; want none", shard, n)
			}
		})
		return wrong
	})
}
