package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Listen opens all listeners, or none. An empty address of operators is none. What
// systemd has opened for the process is taken instead of the addresses.
func Listen(ctx context.Context, addrs []string, operators string) (public []net.Listener, admin net.Listener, err error) {
	given, door, err := inherited()
	if err != nil {
		return nil, nil, err
	}
	if len(given) > 0 {
		addrs = nil
	}
	if door != nil {
		operators = ""
	}
	public, admin = given, door
	lc := net.ListenConfig{KeepAlive: 30 * time.Second}
	for _, addr := range addrs {
		ln, err := lc.Listen(ctx, family(addr), addr)
		if err != nil {
			closeAll(public)
			return nil, nil, taken(err, "-port") // says "listen tcp" and the address
		}
		public = append(public, ln)
	}
	if operators != "" {
		if admin, err = lc.Listen(ctx, family(operators), operators); err != nil {
			closeAll(public)
			return nil, nil, taken(err, "-admin-addr")
		}
	}
	return public, admin, nil
}

// taken says which flag picks another address, where that helps.
func taken(err error, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: another program listens there; %s picks another", err, flag)
	}
	return err
}

// family is what an address asks for: 0.0.0.0 is all of IPv4, of which package net makes
// all of IPv6, too. No host, or [::], is both.
func family(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return "tcp4"
	}
	return "tcp"
}

func closeAll(lns []net.Listener) {
	for _, ln := range lns {
		_ = ln.Close()
	}
}
