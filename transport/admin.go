package transport

import (
	"bytes"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"

	"event-dispatcher/transport/stream"
)

// consumerList is the answer of /consumers.
type consumerList struct {
	Consumers []stream.ConsumerInfo `json:"consumers"`
}

// routeAdmin serves what is for operators only.
func (s *Server) routeAdmin(ctx *fasthttp.RequestCtx) {
	path := ctx.URI().PathOriginal()
	switch {
	case !ctx.IsGet() && !ctx.IsHead():
		s.rejectMethod(ctx, "GET, HEAD")
	case string(path) == "/metrics":
		s.metrics(ctx)
	case string(path) == "/health":
		s.health(ctx)
	case string(path) == "/livez" || string(path) == "/readyz":
		s.probe(ctx, string(path))
	case string(path) == "/consumers":
		writeJSON(ctx, consumerList{s.pool.Inspect()})
	case bytes.HasPrefix(path, []byte("/debug/pprof/")):
		pprofhandler.PprofHandler(ctx)
	default:
		s.reject(ctx, reasonNotFound)
	}
}

// refusalBytes is a whole response, for connections that never become a request.
func refusalBytes(r Reason) []byte {
	var resp fasthttp.Response
	f := &refusals[r]
	resp.SetStatusCode(f.status)
	resp.Header.SetContentType("text/plain; charset=utf-8")
	resp.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	resp.Header.Set(fasthttp.HeaderRetryAfter, "1")
	resp.Header.SetConnectionClose()
	resp.SetBodyString(f.label + ": " + f.text + "\n")
	var b bytes.Buffer
	resp.WriteTo(&b) // a buffer takes everything
	return b.Bytes()
}
