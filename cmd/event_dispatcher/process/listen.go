package process

import (
	"context"
	"net"
	"time"
)

// Listen opens all listeners, or none. An empty address of operators is none.
func Listen(ctx context.Context, addrs []string, operators string) (public []net.Listener, admin net.Listener, err error) {
	lc := net.ListenConfig{KeepAlive: 30 * time.Second}
	for _, addr := range addrs {
		ln, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			closeAll(public)
			return nil, nil, err // says "listen tcp" and the address
		}
		public = append(public, ln)
	}
	if operators != "" {
		if admin, err = lc.Listen(ctx, "tcp", operators); err != nil {
			closeAll(public)
			return nil, nil, err
		}
	}
	return public, admin, nil
}

func closeAll(lns []net.Listener) {
	for _, ln := range lns {
		_ = ln.Close()
	}
}
