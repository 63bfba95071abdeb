package operate

import (
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/operate/console"
	"event-dispatcher/transport/static"
)

// ConsolePrefix is where the files of the console are.
const ConsolePrefix = "/console/"

// page is what stands at /, and the console's files.
type page struct {
	files *static.Files // the console's; nil: it is off
	ports *ports
}

func newPage(off bool, p *ports) page {
	if off {
		return page{ports: p}
	}
	return page{static.New(console.Files), p}
}

// Front serves / for operators: the console or, if that is off, what Endpoints says.
func (p page) Front(ctx *fasthttp.RequestCtx) {
	if p.files == nil {
		p.Endpoints(ctx)
		return
	}
	if !asked(ctx) {
		p.files.Serve(ctx, "index.html", p.policy(ctx))
	}
}

// Endpoints serves / where the console is not: balancers ask for it, and people.
func (p page) Endpoints(ctx *fasthttp.RequestCtx) {
	if asked(ctx) {
		return
	}
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("Event Dispatcher\n\n" +
		"POST /api/events     one JSON object; your address is added as user_ip\n" +
		"POST /metrics        any JSON value, as it is\n" +
		"GET  /events         all events from now on, as Server-Sent Events: curl -N\n" +
		"GET  /health         whether the service works\n")
}

// asked answers OPTIONS: some balancers probe with it.
func asked(ctx *fasthttp.RequestCtx) bool {
	if !ctx.IsOptions() {
		return false
	}
	ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, OPTIONS")
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

// ConsoleFile serves what the console's page loads. It reports false if there is no
// such file; nothing is answered then.
func (p page) ConsoleFile(ctx *fasthttp.RequestCtx) bool {
	name := strings.TrimPrefix(string(ctx.URI().PathOriginal()), ConsolePrefix)
	if p.files == nil || name == "index.html" || !p.files.Has(name) {
		return false
	}
	p.files.Serve(ctx, name, static.Policy)
	return true
}

// policy lets the page talk to the public ports of its own host, too.
func (p page) policy(ctx *fasthttp.RequestCtx) string {
	host, _, _ := strings.Cut(string(ctx.Host()), ":")
	if strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || host == "" {
		host = "*" // no name that the header may carry: an address of IPv6, or nonsense
	}
	var also strings.Builder
	for _, port := range p.ports.all() {
		also.WriteString(" " + host + ":" + port)
	}
	return strings.Replace(static.Policy, "connect-src 'self'", "connect-src 'self'"+also.String(), 1)
}
