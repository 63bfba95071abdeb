package client

import (
	"net/netip"
	"testing"
	"testing/synctest"
)

// Somebody who makes up names until the table is full takes nothing from the others,
// and does not free a client that sends too much from its limit.
func TestAFullTableOfClientsIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const burst = 10
		l := NewRates(0, burst, &Addresses{}, nil)
		name := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
		allow := func(addr netip.Addr) bool { return l.client(addr).Take(1, 0) }
		made := 0
		for ; made < maxLimitedClients; made++ {
			allow(name(made))
		}
		greedy := netip.MustParseAddr("192.0.2.1")
		for allow(greedy) {
		}
		for range 2000 {
			made++
			newcomer := name(made)
			first, second := allow(newcomer), allow(newcomer)
			if !first || !second {
				t.Fatalf("newcomer %d was refused an event that its rate allows", made)
			}
			if allow(greedy) {
				t.Fatalf("a client over its rate was forgotten after %d newcomers", made-maxLimitedClients)
			}
		}
		if n := len(l.clients); n != maxLimitedClients {
			t.Errorf("clients = %d; want %d", n, maxLimitedClients)
		}
	})
}

func TestClientOfIPv6IsItsNetwork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b string }{
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
	} {
		a, b := Network(netip.MustParseAddr(tt.a).Unmap()), Network(netip.MustParseAddr(tt.b))
		if a != b {
			t.Errorf("clients %s and %s are %v and %v; want one", tt.a, tt.b, a, b)
		}
	}
	for _, tt := range []struct{ a, b string }{{"2001:db8::1", "2001:db8:0:1::1"}, {"192.0.2.1", "192.0.2.2"}} {
		if a, b := Network(netip.MustParseAddr(tt.a)), Network(netip.MustParseAddr(tt.b)); a == b {
			t.Errorf("clients %s and %s are both %v; want two", tt.a, tt.b, a)
		}
	}
}
