package operate

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/metric"
)

// slow is a source that takes its time, once it has a gate.
type slow struct {
	gate  chan struct{}
	asked int
}

func (s *slow) Collect(to metric.Emitter) {
	if s.gate != nil {
		<-s.gate
	}
	s.asked++
	to.Counter("asked_total", "Times.", uint64(s.asked))
}

func askedMetrics(e exposition, accept, coding string) *fasthttp.Response {
	ctx := new(fasthttp.RequestCtx)
	ctx.Request.Header.Set(fasthttp.HeaderAccept, accept)
	if coding != "" {
		ctx.Request.Header.Set(fasthttp.HeaderAcceptEncoding, coding)
	}
	e.Metrics(ctx)
	return &ctx.Response
}

// Writing the metrics costs memory and time, and strangers may ask for them.
func TestMetricsAreWrittenOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 100
		s := new(slow)
		e := expose([]metric.Source{s})
		s.asked, s.gate = 0, make(chan struct{}) // a registry looks at what it has
		got := make(chan *fasthttp.Response, 1+callers)
		ask := func(accept string) { got <- askedMetrics(e, accept, "") }
		go ask("")
		synctest.Wait() // it has begun
		for range callers {
			go ask("text/plain, nonsense")
		}
		synctest.Wait()
		close(s.gate)
		synctest.Wait()
		for range 1 + callers {
			if r := <-got; r.StatusCode() != 200 || !bytes.Contains(r.Body(), []byte("dispatcher_asked_total ")) {
				t.Fatalf("the answer is %d %.200s; want the metrics", r.StatusCode(), r.Body())
			}
		}
		if s.asked != 2 {
			t.Errorf("the metrics are collected %d times; want twice", s.asked)
		}
	})
}

func TestMetricsHaveTheFormThatIsAskedFor(t *testing.T) {
	t.Parallel()
	e := expose([]metric.Source{new(slow)})
	for _, tt := range []struct{ accept, coding, contentType, encoding string }{
		{"", "", "text/plain", ""},
		{"text/html, */*", "gzip", "text/plain", "gzip"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "", "application/vnd.google.protobuf", ""},
	} {
		r := askedMetrics(e, tt.accept, tt.coding)
		if !bytes.HasPrefix(r.Header.ContentType(), []byte(tt.contentType)) || string(r.Header.ContentEncoding()) != tt.encoding {
			t.Errorf("%q, %q: Content-Type %q, Content-Encoding %q; want %q, %q", tt.accept, tt.coding, r.Header.ContentType(), r.Header.ContentEncoding(), tt.contentType, tt.encoding)
		}
	}
}
