package access

import (
	"fmt"
	"net"
	"net/netip"
	"testing"

	"go.uber.org/zap/zapcore"
)

func TestUserIP(t *testing.T) {
	hash := func(key, addr string) string {
		u, err := NewUserIP("hash", key)
		if err != nil {
			t.Fatal(err)
		}
		return string(u.Append(nil, netip.MustParseAddr(addr)))
	}
	for _, tt := range []struct{ mode, addr, want string }{
		{"", "192.0.2.17", "192.0.2.17"},
		{"full", "192.0.2.17", "192.0.2.17"},
		{"full", "::ffff:192.0.2.17", "192.0.2.17"},
		{"full", "fe80::1%eth0", "fe80::1"},
		{"network", "192.0.2.17", "192.0.2.0"},
		{"network", "::ffff:192.0.2.17", "192.0.2.0"},
		{"network", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"},
		{"off", "192.0.2.17", ""},
		{"full", "", ""},
		{"hash", "", ""},
	} {
		u, err := NewUserIP(tt.mode, "")
		if err != nil {
			t.Fatal(err)
		}
		addr, _ := netip.ParseAddr(tt.addr)
		if got := string(u.Append(nil, addr)); got != tt.want || u.Off() != (tt.mode == "off") {
			t.Errorf("%s: %s is %q; want %q", tt.mode, tt.addr, got, tt.want)
		}
	}
	a := hash("k", "192.0.2.17")
	if len(a) != 2*hashedBytes || a != hash("k", "::ffff:192.0.2.17") {
		t.Errorf("the hash of one address is %q and %q", a, hash("k", "::ffff:192.0.2.17"))
	}
	one, other := hash("", "192.0.2.17"), hash("", "192.0.2.17") // with random keys
	if a == hash("k", "192.0.2.18") || a == hash("l", "192.0.2.17") || one == other {
		t.Error("hashes of other addresses or keys are the same")
	}
	if _, err := NewUserIP("half", ""); err == nil {
		t.Error(`NewUserIP("half") = nil`)
	}
}

func TestLogSaysOfAddressesWhatEventsSay(t *testing.T) {
	t.Parallel()
	peer := netip.MustParseAddrPort("192.0.2.17:4711")
	hashing, _ := NewUserIP("hash", "k")
	for _, tt := range []struct {
		mode string
		addr fmt.Stringer
		want any // nil: nothing
	}{
		{"full", peer, "192.0.2.17:4711"},
		{"full", net.TCPAddrFromAddrPort(peer), "192.0.2.17:4711"},
		{"network", peer, "192.0.2.0"},
		{"network", net.TCPAddrFromAddrPort(peer), "192.0.2.0"},
		{"network", &net.UnixAddr{Name: "@", Net: "unix"}, nil},
		{"hash", peer, string(hashing.Append(nil, peer.Addr()))},
		{"off", peer, nil},
	} {
		u, err := NewUserIP(tt.mode, "k")
		if err != nil {
			t.Fatal(err)
		}
		line := zapcore.NewMapObjectEncoder()
		u.Logged(tt.addr).AddTo(line)
		if got := line.Fields["address"]; got != tt.want {
			t.Errorf("%s: a line says %v of %v; want %v", tt.mode, got, tt.addr, tt.want)
		}
	}
}
