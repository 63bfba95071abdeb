package process

import (
	"net"
	"net/netip"
	"testing"
)

func TestListenersTakeWhatTheirAddressSays(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{ // whether IPv6 is taken, too
		"0.0.0.0:0":   false,
		"127.0.0.1:0": false,
		":0":          true,
		"[::]:0":      true,
	} {
		public, _, err := Listen(t.Context(), []string{addr}, "")
		if err != nil {
			t.Fatalf("Listen(%s) = %v; want nil", addr, err)
		}
		defer closeAll(public)
		at := netip.MustParseAddrPort(public[0].Addr().String())
		for loopback, want := range map[string]bool{"127.0.0.1": true, "::1": want && hasIPv6()} {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(loopback), at.Port()).String())
			if (err == nil) != want {
				t.Errorf("dialling %s with a listener on %s: %v; want success: %v", loopback, addr, err, want)
			}
			if err == nil {
				c.Close()
			}
		}
	}
}

func hasIPv6() bool {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		ln.Close()
	}
	return err == nil
}

func TestFailedListenLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	busy := ln.Addr().String()
	defer ln.Close()
	if public, admin, err := Listen(t.Context(), []string{"127.0.0.1:0", busy}, ""); err == nil || public != nil || admin != nil {
		t.Errorf("Listen() of a busy address = %v, %v, %v; want an error alone", public, admin, err)
	}
}
