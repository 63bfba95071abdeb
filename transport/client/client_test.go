package client

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestTableOfClientsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewRates(0, 1, &Addresses{})
		client := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)) }
		for i := range maxLimitedClients {
			if !l.allowClient(client(i), time.Now(), 1) {
				t.Fatalf("allowClient(%v) = false; want true for the first event", client(i))
			}
		}
		// A newcomer shares the crowd's limit while all others are active.
		if a, b := l.allowClient(client(1<<20), time.Now(), 1), l.allowClient(client(1<<20+1), time.Now(), 1); !a || b {
			t.Errorf("two newcomers = %v, %v; want one event between them", a, b)
		}
		if n := len(l.clients); n != maxLimitedClients {
			t.Errorf("clients = %d; want %d", n, maxLimitedClients)
		}
		// Looking for room is not repeated for every newcomer.
		evicted := l.evicted
		time.Sleep(time.Second - 1)
		l.allowClient(client(1<<20+2), time.Now(), 1)
		if l.evicted != evicted {
			t.Errorf("the table was walked again after %v; want once a second", time.Second-1)
		}
		time.Sleep(2 * time.Second)
		if !l.allowClient(client(1<<20+3), time.Now(), 1) || len(l.clients) > 1 {
			t.Errorf("clients when all others are gone = %d; want the newcomer only", len(l.clients))
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
