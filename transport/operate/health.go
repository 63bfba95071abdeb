package operate

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
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

// A healthReport has exactly the keys of the original, and its types.
type healthReport struct {
	Message       string `json:"message"`
	Timestamp     int64  `json:"timestamp"` // Unix milliseconds
	Alloc         string `json:"alloc"`
	TotalAlloc    string `json:"total_alloc"`
	Sys           string `json:"sys"`
	LiveObjects   string `json:"live_objects"`
	NumGC         string `json:"num_gc"`
	NumGoroutines string `json:"num_goroutines"`
	PauseTotalNS  string `json:"pause_total_ns"`
}

// vitals reads what the runtime keeps anyway; nothing is stopped for it.
type vitals struct {
	mu      sync.Mutex
	samples []metrics.Sample
	gc      debug.GCStats
}

func newVitals() *vitals {
	v := &vitals{}
	for _, name := range []string{
		"/memory/classes/heap/objects:bytes",
		"/gc/heap/allocs:bytes",
		"/memory/classes/total:bytes",
		"/gc/heap/objects:objects",
		"/gc/cycles/total:gc-cycles",
		"/sched/goroutines:goroutines",
	} {
		v.samples = append(v.samples, metrics.Sample{Name: name})
	}
	return v
}

func (v *vitals) report(now time.Time) healthReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	metrics.Read(v.samples)
	debug.ReadGCStats(&v.gc)
	value := func(i int) uint64 { return v.samples[i].Value.Uint64() }
	mib := func(i int) string { return fmt.Sprintf("%d MiB", value(i)>>20) }
	number := func(i int) string { return strconv.FormatUint(value(i), 10) }
	return healthReport{
		Message:       "PONG",
		Timestamp:     now.UnixMilli(),
		Alloc:         mib(0),
		TotalAlloc:    mib(1),
		Sys:           mib(2),
		LiveObjects:   number(3),
		NumGC:         number(4),
		NumGoroutines: number(5),
		PauseTotalNS:  strconv.FormatInt(v.gc.PauseTotal.Nanoseconds(), 10),
	}
}

// Health serves /health, any method: 503 with the same keys while the pipeline
// does not move.
func (op *Operators) Health(ctx *fasthttp.RequestCtx) {
	if op.wedged() {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	reply.JSON(ctx, op.vitals.report(time.Now()))
}

// Live serves /livez: the process turns, or there would be no answer. 503 asks for
// another process, when a loop has been stuck for long.
func (op *Operators) Live(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	reply.NoStore.Set(&ctx.Response.Header)
	if op.waiting() > stuckAfter {
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
func (op *Operators) Ready(ctx *fasthttp.RequestCtx) {
	r, ok := op.readiness()
	if !ok {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	reply.JSON(ctx, r)
}

func (op *Operators) readiness() (r readiness, ok bool) {
	switch {
	case op.is(Draining):
		return readiness{Status: "draining"}, false
	case op.is(Starting):
		return readiness{Status: "starting"}, false
	case op.wedged():
		return readiness{Status: "wedged"}, false
	}
	if missing := op.degraded(); len(missing) > 0 {
		return readiness{"degraded", missing}, true
	}
	return readiness{Status: "ready"}, true
}

// wedged reports whether events wait for a writer loop that does not come.
func (op *Operators) wedged() bool { return op.waiting() > wedgedAfter }

// Moves reports that they do not.
func (op *Operators) Moves() bool { return !op.wedged() }

// degraded lists what does not work although the service does.
func (op *Operators) degraded() []string {
	switch {
	case op.options.Degraded != nil:
		return op.options.Degraded()
	case op.options.Relay != nil:
		return op.options.Relay.Degraded()
	}
	return nil
}
