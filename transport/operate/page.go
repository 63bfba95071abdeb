package operate

import (
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/operate/console"
	"event-dispatcher/transport/static"
)

// ConsolePrefix is where the files of the console are.
const ConsolePrefix = "/console/"

// Front serves / for operators: the console or, if that is off, what Endpoints says.
func (op *Operators) Front(ctx *fasthttp.RequestCtx) {
	if op.files == nil {
		op.Endpoints(ctx)
		return
	}
	if !op.asked(ctx) {
		op.files.Serve(ctx, "index.html", op.policy(ctx))
	}
}

// Endpoints serves / where the console is not: balancers ask for it, and people.
func (op *Operators) Endpoints(ctx *fasthttp.RequestCtx) {
	if op.asked(ctx) {
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
func (op *Operators) asked(ctx *fasthttp.RequestCtx) bool {
	if !ctx.IsOptions() {
		return false
	}
	ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, OPTIONS")
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

// ConsoleFile serves what the console's page loads. It reports false if there is no
// such file; nothing is answered then.
func (op *Operators) ConsoleFile(ctx *fasthttp.RequestCtx) bool {
	name := strings.TrimPrefix(string(ctx.URI().PathOriginal()), ConsolePrefix)
	if op.files == nil || name == "index.html" || !op.files.Has(name) {
		return false
	}
	op.files.Serve(ctx, name, static.Policy)
	return true
}

func consoleFiles(off bool) *static.Files {
	if off {
		return nil
	}
	return static.New(console.Files)
}

// Public says that players and consumers are served on a port, so that a console that
// is elsewhere finds it.
func (op *Operators) Public(port string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.ports = append(op.ports, port)
}

func (op *Operators) publicPorts() []string {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.ports[:len(op.ports):len(op.ports)]
}

// policy lets the page talk to the public ports of its own host, too.
func (op *Operators) policy(ctx *fasthttp.RequestCtx) string {
	host, _, _ := strings.Cut(string(ctx.Host()), ":")
	if strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || host == "" {
		host = "*" // no name that the header may carry: an address of IPv6, or nonsense
	}
	var also strings.Builder
	for _, port := range op.publicPorts() {
		also.WriteString(" " + host + ":" + port)
	}
	return strings.Replace(static.Policy, "connect-src 'self'", "connect-src 'self'"+also.String(), 1)
}
