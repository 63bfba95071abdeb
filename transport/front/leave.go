package front

import (
	"context"
	"time"
)

// How far a front has come with its end. In each stage, connections that are open are
// served as before unless it says otherwise.
const (
	staying uint32 = iota
	leaving        // each answer ends its connection
	waiting        // and connections that wait for a request end
	hurried        // and those whose request is still arriving
)

// unusedGrace is how long connections without a request are kept when the listeners
// are closed: one may be on its way. Its sender would see a reset.
const unusedGrace = time.Second

// Leave has each answer end its connection from now on (RFC 9112, section 9.6). So when
// the front closes, clients of long standing have gone elsewhere, and no request meets
// a connection that is being closed.
func (f *Front) Leave() { f.open.leaving.CompareAndSwap(staying, leaving) }

// settle lets connections end in order until ctx is done: those that have a request
// with its answer, the others after a while.
func (f *Front) settle(ctx context.Context) {
	f.Leave()
	grace, cancel := context.WithTimeout(ctx, unusedGrace)
	defer cancel()
	f.until(grace, leaving)
	f.until(ctx, waiting)
	// Clients that are still sending get 100 ms to read a 503.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	f.until(last, hurried)
}

// until waits in a stage until ctx is done, or no connection is left.
func (f *Front) until(ctx context.Context, stage uint32) {
	f.open.leaving.Store(stage)
	for pause := time.Millisecond; f.open.len() > 0; pause = min(2*pause, 20*time.Millisecond) {
		if stage > leaving {
			f.open.wake()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// wake has all those who read look at the stage. A reader that is about to read, and
// sets a deadline meanwhile, is woken the next time.
func (cs *connections) wake() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.all {
		if !c.lingering.Load() {
			_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// ends reports whether to end a connection now; begun: a request is arriving on it.
func (cs *connections) ends(begun bool) bool {
	stage := cs.leaving.Load()
	return stage == hurried || stage == waiting && !begun
}
