package operate

import (
	"net/http"
	"runtime"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"event-dispatcher/broker"
	"event-dispatcher/broker/sharing"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/reply"
)

// exposition is all metrics, as Prometheus reads them. To write them takes a millisecond and
// a hundred KB, and anybody may ask where there is no listener for operators: so one is
// written at a time, and those who ask meanwhile for a form share the next one in that form.
type exposition struct {
	sources []metric.Source
	handler fasthttp.RequestHandler
	pages   *sharing.Readings[form, *fasthttp.Response]
	writing *sync.Mutex // held while one is written
}

// form is how somebody wants the metrics: one of few.
type form struct {
	format expfmt.Format
	gzip   bool
}

// newExposition asks the sources of the options first: what was delivered was published
// before.
func newExposition(o *Options, h *health) exposition {
	sources := append(o.Sources[:len(o.Sources):len(o.Sources)], process{h, o.Version}, ring{o.Broker})
	if o.Relay != nil {
		sources = append(sources, relayed{o.Relay})
	}
	return expose(sources)
}

func expose(sources []metric.Source) exposition {
	e := exposition{sources: sources, pages: new(sharing.Readings[form, *fasthttp.Response]), writing: new(sync.Mutex)}
	e.handler = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(e.Registry(), promhttp.HandlerOpts{}))
	return e
}

// Metrics serves the Prometheus exposition.
func (e exposition) Metrics(ctx *fasthttp.RequestCtx) {
	accept := http.Header{fasthttp.HeaderAccept: {string(ctx.Request.Header.Peek(fasthttp.HeaderAccept))}}
	f := form{expfmt.NegotiateAccept(accept, expfmt.DefaultAcceptedFormats()...), ctx.Request.Header.HasAcceptEncoding("gzip")}
	page := e.pages.Do(f, func() *fasthttp.Response { return e.page(f) })
	ctx.SetStatusCode(page.StatusCode())
	ctx.Response.Header.SetContentTypeBytes(page.Header.ContentType())
	ctx.Response.Header.SetContentEncodingBytes(page.Header.ContentEncoding())
	ctx.Response.Header.Set(fasthttp.HeaderVary, "Accept, Accept-Encoding")
	ctx.Response.SetBodyRaw(page.Body())
	reply.NoStore.Set(&ctx.Response.Header)
}

// page is the exposition in a form. It is not modified.
func (e exposition) page(f form) *fasthttp.Response {
	e.writing.Lock()
	defer e.writing.Unlock()
	ctx := new(fasthttp.RequestCtx)
	ctx.Request.Header.Set(fasthttp.HeaderAccept, string(f.format))
	if f.gzip {
		ctx.Request.Header.Set(fasthttp.HeaderAcceptEncoding, "gzip")
	}
	e.handler(ctx)
	return &ctx.Response
}

// Registry returns a new registry with the metrics of all rooms, those of the Go
// runtime and those of the process.
func (e exposition) Registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metric.Collector(e.sources...), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// process tells what is running, and whether it moves.
type process struct {
	health  *health
	version string
}

// Collect implements [metric.Source].
func (p process) Collect(to metric.Emitter) {
	to.Gauge("build_info", "Always 1; the labels say what is running.", 1, "version", p.version, "go_version", runtime.Version())
	to.Gauge("draining", "1 while the service shuts down, from the beginning of the lead on.", metric.Bool(p.health.is(Draining)))
	to.Gauge("loop_wait_seconds", "How long the slowest writer loop has had events waiting; 0 if none.", p.health.waiting().Seconds())
}

// ring tells what a broker has counted: it knows nothing of metrics.
type ring struct{ broker *broker.Broker }

// Collect implements [metric.Source].
func (r ring) Collect(to metric.Emitter) {
	b := r.broker.Stats()
	to.Counter("events_published_total", "Events put into the ring, those known to be lost on the way from other instances included.", b.Published)
	to.Gauge("ring_events", "Events that a slow consumer could still get.", float64(b.Retained))
	to.Gauge("ring_bytes", "Bytes of the events in the ring.", float64(b.Bytes))
	to.Gauge("ring_memory_bytes", "Memory of the ring, used or not.", float64(b.Allocated))
	to.Gauge("ring_oldest_event_age_seconds", "Age of the oldest event in the ring; 0 if it is empty.", b.OldestAge.Seconds())
	to.Counter("ring_exhausted_total", "Events refused because no part of the ring could be recycled.", b.Exhausted)
}
