package front

import (
	"sync/atomic"
	"time"

	"event-dispatcher/transport/tidy"
)

// A tidier gives memory back to the system after many consumers have come, or many large
// bodies. A handshake costs 20 KB of buffers and stack that the stream does not need:
// 10,000 idle consumers would look as if they cost 1.9 KB each instead of 0.3.
type tidier struct {
	bodies atomic.Pointer[Bodies] // many were held since the last collection; nil: no
	memory tidy.Tidier
}

const (
	workerIdle     = time.Second // so the HTTP server's goroutines are gone when memory is given back
	handshakeBytes = 20 << 10
	tidyBodies     = 4 << 20 // bytes of bodies at once; fewer are not worth a collection
)

// handshake notes one.
func (t *tidier) handshake() { t.memory.Left(handshakeBytes) }

// body notes that a large one was handled. Its buffer is kept for the next one,
// until there is none for a while.
func (t *tidier) body(b *Bodies) {
	if b.most.Load() >= tidyBodies && b.held.Load() < tidyBodies {
		t.bodies.Store(b)
		t.memory.Later()
	}
}

// forget begins anew, when memory is given back.
func (t *tidier) forget() {
	if b := t.bodies.Swap(nil); b != nil {
		b.most.Store(b.held.Load())
	}
}
