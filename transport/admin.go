package transport

import (
	"bytes"
	"net/http/pprof"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"github.com/valyala/fasthttp/pprofhandler"

	"event-dispatcher/transport/stream"
)

// consumerList is the answer of /consumers.
type consumerList struct {
	Consumers []consumerEntry `json:"consumers"`
}

// A consumerEntry is one consumer; its ID is unique among those of its protocol.
type consumerEntry struct {
	Protocol string `json:"protocol"` // sse or websocket
	stream.ConsumerInfo
}

// consumers lists the streams of players' events, over either protocol.
func (s *Server) consumers() consumerList {
	list := consumerList{[]consumerEntry{}}
	add := func(protocol string, pool *stream.Pool) {
		for _, info := range pool.Inspect() {
			list.Consumers = append(list.Consumers, consumerEntry{protocol, info})
		}
	}
	add("sse", s.pool)
	if s.options.Firehose != nil {
		add("websocket", s.options.Firehose.Pool())
	}
	return list
}

var pprofIndex = fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Index)

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
		writeJSON(ctx, s.consumers())
	case string(path) == "/debug/pprof/":
		pprofIndex(ctx) // pprofhandler has it elsewhere
	case bytes.HasPrefix(path, []byte("/debug/pprof/")) && bytes.Equal(path, ctx.Path()):
		pprofhandler.PprofHandler(ctx)
	default:
		s.reject(ctx, reasonNotFound)
	}
}
