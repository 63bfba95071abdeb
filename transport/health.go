package transport

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// wedgedAfter is how long events may wait for a writer loop before the service
// calls itself unhealthy.
const wedgedAfter = 5 * time.Second

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

// health serves /health, any method: 503 with the same keys while the pipeline
// does not move.
func (s *Server) health(ctx *fasthttp.RequestCtx) {
	s.cors.allow(&ctx.Request.Header, &ctx.Response.Header)
	if s.wedged() {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	writeJSON(ctx, s.vitals.report(time.Now()))
}

// live serves /livez: the process turns, or there would be no answer.
func (s *Server) live(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("ok\n")
}

// readiness is the answer of /readyz.
type readiness struct {
	Status   string   `json:"status"`
	Degraded []string `json:"degraded,omitempty"`
}

// ready serves /readyz: 503 while starting, draining or wedged. What is merely
// degraded still serves its own players and consumers: 200.
func (s *Server) ready(ctx *fasthttp.RequestCtx) {
	r := readiness{Status: "ready"}
	switch {
	case s.unready.Load():
		r.Status = "draining"
	case !s.started.Load():
		r.Status = "starting"
	case s.wedged():
		r.Status = "wedged"
	default:
		if r.Degraded = s.options.Degraded(); len(r.Degraded) > 0 {
			r.Status = "degraded"
		}
		writeJSON(ctx, r)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	writeJSON(ctx, r)
}

// wedged reports whether events wait for a writer loop that does not come.
func (s *Server) wedged() bool { return s.waiting() > wedgedAfter }

func writeJSON(ctx *fasthttp.RequestCtx, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("transport: " + err.Error()) // our own types always encode
	}
	ctx.Response.Header.SetContentType("application/json")
	ctx.SetBody(append(body, '\n'))
}

// withoutRedis is the default of Options.Degraded.
func (o *Options) withoutRedis() []string {
	if o.Relay != nil && !o.Relay.Up() {
		return []string{"redis"}
	}
	return nil
}
