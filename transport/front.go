package transport

import (
	"context"
	"net"
	"sync"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
)

// A front is one HTTP server, its listeners and its connections. fasthttp forgets
// a listener that comes while it shuts down; a front does not.
type front struct {
	http     *fasthttp.Server
	open     connections
	refusing connections // over the cap, being told so

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
}

// serve answers on ln until shutdown, or until ln fails.
func (f *front) serve(ln net.Listener) error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return ln.Close()
	}
	f.listeners = append(f.listeners, ln)
	f.mu.Unlock()
	return f.http.Serve(ln)
}

// shutdown closes the listeners and idle connections, lets the others finish
// their request until ctx is done, and cuts those that have not.
func (f *front) shutdown(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	for _, ln := range f.listeners {
		ln.Close()
	}
	f.mu.Unlock()
	err := f.http.ShutdownWithContext(ctx)
	f.open.cut()
	f.refusing.cut()
	return err
}

// httpLog takes what fasthttp logs. Its lines quote addresses and bytes of
// requests: no two are the same, so sampling would let a flood through, and
// requests hold secrets. Only the kind of line is kept; the requests are counted
// by reason.
type httpLog struct{ *zap.Logger }

func (l httpLog) Printf(format string, _ ...any) { l.Debug("http server: " + format) }
