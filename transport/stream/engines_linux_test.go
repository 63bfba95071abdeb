package stream

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// dialer makes connections with a small receive buffer. It is set before the
// window is offered: made smaller later, it drops what the window let through,
// and the sender waits longer and longer before it tries again.
func dialer(buffer int) *net.Dialer {
	if buffer == 0 {
		return &net.Dialer{}
	}
	return &net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
		}); e != nil {
			return e
		}
		return err
	}}
}

// freeze stops an engine until thaw is called.
func freeze(e engine) (thaw func()) {
	l, ok := e.(*loop)
	if !ok {
		return freezePortable(e)
	}
	stopped, going := make(chan struct{}), make(chan struct{})
	l.post(func() {
		close(stopped)
		<-going
	})
	<-stopped
	return func() { close(going) }
}

// draining reports whether an engine has begun to end streams.
func draining(e engine) bool {
	l, ok := e.(*loop)
	if !ok {
		return drainingPortable(e)
	}
	answer := make(chan bool, 1)
	if !l.post(func() { answer <- l.drainer != nil && (l.drainer.started || l.drainer.over) }) {
		return false
	}
	return <-answer
}

// silent reports whether an engine writes no keep-alives any more.
func silent(e engine) bool {
	l, ok := e.(*loop)
	if !ok {
		return silentPortable(e)
	}
	answer := make(chan bool, 1)
	if !l.post(func() { answer <- l.drainer != nil }) {
		return false
	}
	return <-answer
}

// awaitForgotten waits until the loops follow a shard no more.
func (r *rig) awaitForgotten(shard int) {
	r.t.Helper()
	if _, ok := r.pool.engines[0].(*loop); !ok {
		return // there is nothing to forget
	}
	eventually(r.t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			if n := len(l.fronts[shard].herds); n > 0 {
				wrong = fmt.Sprintf("shard %d has %d herds; want none", shard, n)
			}
		})
		return wrong
	})
}

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
