package ingest

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
)

// heartbeats are n events as players send them, of about 0.5 KB, one per line.
func heartbeats(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"event_name":"HEARTBEAT","session_id":"%08x-7c1e-4b7a-9f0e-1d2c3b4a5f60","timestamp":%d,"version":1,"data":{"player":{"name":"pillarbox-web","platform":"Web","version":"1.2.3"},"position":%d,"position_timestamp":1764752400000,"bandwidth":%d,"bitrate":2800000,"buffered_duration":30000,"stall":{"count":2,"duration":1234},"duration":3600000,"stream_type":"On-demand","url":"https://cdn.example.com/path/to/some/stream/master.m3u8?token=abcdefghijklmnop","playback_duration":120000}}`+"\n",
			uint32(i*2654435761), 1764752400000+i*37, i*997%360000, 4000000+i*7919%1000000)
	}
	return text.String()
}

// A post is a request that can be handled again and again. Handlers may write to the
// body, so that each time gets a copy.
type post struct {
	ctx  fasthttp.RequestCtx
	req  fasthttp.Request
	body []byte
}

func newPost(target, body string, headers ...string) *post {
	p := &post{body: []byte(body)}
	p.req.Header.SetMethod("POST")
	p.req.SetRequestURI(target)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		p.req.Header.Set(name, value)
	}
	p.req.SetBody(p.body)
	p.ctx.Init(&p.req, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
	return p
}

func (p *post) to(handler func(*fasthttp.RequestCtx)) int {
	p.ctx.Request.SetBody(p.body)
	p.ctx.Response.Reset()
	handler(&p.ctx)
	return p.ctx.Response.StatusCode()
}

func gzipped(tb testing.TB, text string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// kinds are the ways for 1,000 events to come in one request.
func kinds(tb testing.TB) map[string]*post {
	lines := heartbeats(batchOf)
	array := "[" + strings.ReplaceAll(strings.TrimSpace(lines), "\n", ",") + "]"
	reports := strings.Repeat(`bl=(21300),br=(4200 800;v),cid="https://example.com/stream/1",e=t,msd=123,mtp=(48100),pr=1.05,sf=h,sid="3f1c2a2e-7c1e-4b7a-9f0e-1d2c3b4a5f60",sn=3,st=v,sta=p,ts=1764752400000,v=2`+"\n", batchOf)
	const ndjson, gz = "Content-Type: application/x-ndjson", "Content-Encoding: gzip"
	return map[string]*post{
		"lines":     newPost("/metrics", lines, ndjson),
		"array":     newPost("/metrics?batch=array", array),
		"gzip":      newPost("/metrics", gzipped(tb, lines), ndjson, gz),
		"addresses": newPost("/api/events", lines, ndjson),
		"cmcd":      newPost("/cmcd", reports),
	}
}

const batchOf = 1000

func handlerOf(p *Players, kind string) func(*fasthttp.RequestCtx) {
	switch kind {
	case "addresses":
		return p.PostObject
	case "cmcd":
		return p.PostReports
	}
	return p.PostAny
}

// BenchmarkBatch is the price of one event of a batch, from the body to the ring.
func BenchmarkBatch(b *testing.B) {
	for kind, request := range kinds(b) {
		b.Run("kind="+kind, func(b *testing.B) {
			log, err := broker.New(broker.Options{})
			if err != nil {
				b.Fatal(err)
			}
			handler := handlerOf(newPlayers(log), kind)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%batchOf == 0 {
					if status := request.to(handler); status >= 300 {
						b.Fatalf("%d %s", status, request.ctx.Response.Body())
					}
				}
			}
		})
	}
}
