package operate

import (
	"bytes"
	"net/http/pprof"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"github.com/valyala/fasthttp/pprofhandler"
)

var pprofIndex = fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Index)

// ProfilePrefix is where profiles are.
const ProfilePrefix = "/debug/pprof/"

// Profile serves the paths below ProfilePrefix. It reports false if there is no such
// profile; nothing is answered then.
func Profile(ctx *fasthttp.RequestCtx) bool {
	path := ctx.URI().PathOriginal()
	switch {
	case string(path) == ProfilePrefix:
		pprofIndex(ctx) // pprofhandler has it elsewhere
	case string(path) == ProfilePrefix+"cmdline": // flags may have passwords
		return false
	case bytes.Equal(path, ctx.Path()):
		pprofhandler.PprofHandler(ctx)
	default:
		return false
	}
	return true
}
