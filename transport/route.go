package transport

import "github.com/valyala/fasthttp"

// route picks the handler by the path exactly as it was sent: //metrics and
// /x/../metrics are other paths.
func (s *Server) route(ctx *fasthttp.RequestCtx) {
	path := ctx.URI().PathOriginal()
	switch string(path) {
	case "/metrics":
		switch {
		case ctx.IsPost() || ctx.IsOptions():
			s.withCORS(ctx, ingestMethods, s.ingest)
		case s.options.Admin:
			s.withCORS(ctx, ingestMethods, nil)
		case ctx.IsGet() || ctx.IsHead():
			s.metrics(ctx)
		default:
			s.withCORS(ctx, "GET, HEAD, "+ingestMethods, nil)
		}
	case "/api/events":
		s.withCORS(ctx, ingestMethods, s.ingestWithAddress)
	case "/event-dispatcher", "/events":
		s.withCORS(ctx, streamMethods, s.streamOfClient)
	case "/health":
		s.health(ctx)
	case "/livez", "/readyz":
		if s.options.Admin {
			s.reject(ctx, reasonNotFound)
			return
		}
		s.probe(ctx, string(path))
	default:
		if s.options.Sessions == nil || !s.routeSessions(ctx, path) {
			s.reject(ctx, reasonNotFound)
		}
	}
}

// withCORS serves a path of players or consumers. methods are those it has; the
// first is the one that next serves.
func (s *Server) withCORS(ctx *fasthttp.RequestCtx, methods string, next fasthttp.RequestHandler) {
	s.cors.allow(&ctx.Request.Header, &ctx.Response.Header)
	switch {
	case next != nil && isMethod(ctx, methods):
		next(ctx)
	case isPreflight(ctx, methods):
		s.cors.preflight(ctx, methods)
	default:
		s.rejectMethod(ctx, methods)
	}
}

// isMethod reports whether the request has the first of the methods.
func isMethod(ctx *fasthttp.RequestCtx, methods string) bool {
	method := ctx.Method()
	return len(methods) >= len(method) && methods[:len(method)] == string(method) &&
		(len(methods) == len(method) || methods[len(method)] == ',')
}

// isPreflight reports whether the request is answered as a CORS preflight: any
// OPTIONS where the path lists it, elsewhere one that says what it is.
func isPreflight(ctx *fasthttp.RequestCtx, methods string) bool {
	return ctx.IsOptions() && (methods != streamMethods || len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0)
}

// probe serves /livez and /readyz.
func (s *Server) probe(ctx *fasthttp.RequestCtx, path string) {
	switch {
	case !ctx.IsGet() && !ctx.IsHead():
		s.rejectMethod(ctx, "GET, HEAD")
	case path == "/livez":
		s.live(ctx)
	default:
		s.ready(ctx)
	}
}
