package operate

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
)

// wedgedAfter is how long events may wait for a writer loop before the service
// calls itself unhealthy.
const wedgedAfter = 5 * time.Second

// stuckAfter is how long events may wait until nobody believes any more that the loop
// comes back: a new process is better then.
const stuckAfter = time.Minute

// health is how the service is, and how far it has come.
type health struct {
	// Fixed after newHealth.
	vitals   *vitals
	waiting  func() time.Duration // the pool's; tests have another
	degraded func() []string      // what does not work although the service does

	state atomic.Uint32 // a State
}

func newHealth(o *Options) *health {
	h := &health{vitals: newVitals(), degraded: func() []string { return nil }, waiting: func() time.Duration { return 0 }}
	if o.Pool != nil {
		h.waiting = o.Pool.Waiting
	}
	switch {
	case o.Degraded != nil:
		h.degraded = o.Degraded
	case o.Relay != nil:
		h.degraded = o.Relay.Degraded
	}
	return h
}

// A State is how far the service has come.
type State uint32

const (
	Starting State = iota // nobody is served yet
	Ready
	Draining // from the beginning of the lead on
)

// SetState says how far the service has come.
func (h *health) SetState(s State) { h.state.Store(uint32(s)) }

// Started leaves Starting behind; it does not undo what came later.
func (h *health) Started() { h.state.CompareAndSwap(uint32(Starting), uint32(Ready)) }

func (h *health) is(s State) bool { return State(h.state.Load()) == s }

// Health serves /health, any method: 503 with the same keys while the pipeline
// does not move.
func (h *health) Health(ctx *fasthttp.RequestCtx) {
	if h.wedged() {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	reply.JSON(ctx, h.vitals.report(time.Now()))
}

// Live serves /livez: the process turns, or there would be no answer. 503 asks for
// another process, when a loop has been stuck for long.
func (h *health) Live(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	reply.NoStore.Set(&ctx.Response.Header)
	if h.waiting() > stuckAfter {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		ctx.SetBodyString("a writer loop is stuck\n")
		return
	}
	ctx.SetBodyString("ok\n")
}

// readiness is the answer of /readyz.
type readiness struct {
	Status   string   `json:"status"`
	Degraded []string `json:"degraded,omitempty"`
}

// Ready serves /readyz: 503 while starting, draining or wedged. What is merely
// degraded still serves its own players and consumers: 200.
func (h *health) Ready(ctx *fasthttp.RequestCtx) {
	r, ok := h.readiness()
	if !ok {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	reply.JSON(ctx, r)
}

func (h *health) readiness() (r readiness, ok bool) {
	switch {
	case h.is(Draining):
		return readiness{Status: "draining"}, false
	case h.is(Starting):
		return readiness{Status: "starting"}, false
	case h.wedged():
		return readiness{Status: "wedged"}, false
	}
	if missing := h.degraded(); len(missing) > 0 {
		return readiness{"degraded", missing}, true
	}
	return readiness{Status: "ready"}, true
}

// wedged reports whether events wait for a writer loop that does not come.
func (h *health) wedged() bool { return h.waiting() > wedgedAfter }

// Moves reports whether no event waits for a stuck writer loop.
func (h *health) Moves() bool { return !h.wedged() }
