package front

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A tidier gives memory back to the system after many consumers have come. A
// handshake costs 20 KB of buffers and stack that the stream does not need, and
// an idle process has no reason to collect them: 10,000 idle consumers would
// look as if they cost 1.9 KB each instead of 0.3.
type tidier struct {
	handshakes atomic.Int64           // since the last collection
	bodies     atomic.Pointer[Bodies] // many were held since then; nil: no

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

const (
	tidyAfter   = 5 * time.Second // without a further handshake
	workerIdle  = time.Second     // so the HTTP server's goroutines are gone by then
	tidyAtLeast = 1000            // handshakes; fewer are not worth a collection
	tidyBodies  = 4 << 20         // bytes of bodies at once, likewise
)

// handshake notes one.
func (t *tidier) handshake() {
	if t.handshakes.Add(1) >= tidyAtLeast {
		t.later()
	}
}

// body notes that a large one was handled. Its buffer is kept for the next one,
// until there is none for a while.
func (t *tidier) body(b *Bodies) {
	if b.most.Load() >= tidyBodies && b.held.Load() < tidyBodies {
		t.bodies.Store(b)
		t.later()
	}
}

func (t *tidier) later() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopped:
	case t.timer == nil:
		t.timer = time.AfterFunc(tidyAfter, t.tidy)
	default:
		t.timer.Reset(tidyAfter)
	}
}

func (t *tidier) tidy() {
	b := t.bodies.Swap(nil)
	if t.handshakes.Swap(0) < tidyAtLeast && b == nil {
		return
	}
	if b != nil {
		b.most.Store(b.held.Load())
	}
	runtime.GC() // what pools hold survives the first collection
	debug.FreeOSMemory()
}

// stop forgets a collection that is due.
func (t *tidier) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
