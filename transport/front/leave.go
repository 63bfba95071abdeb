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
func (f *Front) Leave() { f.open.leave() }

func (cs *connections) leave() { cs.leaving.CompareAndSwap(staying, leaving) }

// settle lets the connections end in order until ctx is done: those that have a request
// with its answer, the others after a while.
func (cs *connections) settle(ctx context.Context) {
	cs.leave()
	grace, cancel := context.WithTimeout(ctx, unusedGrace)
	defer cancel()
	cs.until(grace, leaving)
	cs.until(ctx, waiting)
	// Clients that are still sending get 100 ms to read a 503.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	cs.until(last, hurried)
}

// until waits in a stage until ctx is done, or no connection is left.
func (cs *connections) until(ctx context.Context, stage uint32) {
	cs.leaving.Store(stage)
	for pause := time.Millisecond; cs.len() > 0; pause = min(2*pause, 20*time.Millisecond) {
		if stage > leaving {
			cs.wake()
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
