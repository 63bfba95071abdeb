package screens

import (
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/screens/demo"
	"event-dispatcher/transport/static"
)

// DemoPath is where the sessions demo is; what it loads is below.
const DemoPath = "/poc/demo"

func newDemo() *static.Files { return static.New(demo.Files) }

// Demo serves the page of the sessions demo, which finds the service by its own
// address.
func (s *Screens) Demo(ctx *fasthttp.RequestCtx) {
	s.demo.Serve(ctx, "index.html", static.Policy)
}

// DemoFile serves what the demo's page loads. It reports false if there is no such
// file; nothing is answered then.
func (s *Screens) DemoFile(ctx *fasthttp.RequestCtx) bool {
	name := strings.TrimPrefix(string(ctx.URI().PathOriginal()), DemoPath+"/")
	if name == "index.html" || !s.demo.Has(name) {
		return false
	}
	s.demo.Serve(ctx, name, static.Policy)
	return true
}
