package access

import (
	"net/netip"
	"testing"
)

// BenchmarkCheck is what a request pays. "off" is without an access file.
func BenchmarkCheck(b *testing.B) {
	file, _, _ := open(b, usual())
	issuers, _ := openIssuer(b, "", nil, "ES256")
	signed := signers()["ES256"].sign(b, good(nil), nil)
	for _, bb := range []struct {
		name string
		gate *Gate
		c    credentials
		memo bool
	}{
		{"access=off", nil, bearing(operator), true},
		{"access=anonymous", file, credentials{}, true},
		{"access=token", file, bearing(operator), true},
		{"access=token/connection=new", file, bearing(operator), false},
		{"access=jwt", issuers, bearing(signed), true},
		{"access=jwt/connection=new", issuers, bearing(signed), false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			ctx := request(bb.c)
			need := Consume
			if len(bb.c.authorization) == 0 {
				need = Publish
			}
			var memo Memo
			b.ReportAllocs()
			for b.Loop() {
				if !bb.memo {
					memo = Memo{}
				}
				if _, r := bb.gate.Check(ctx, &memo, need); r != Granted {
					b.Fatal(r.Label())
				}
			}
		})
	}
}

func BenchmarkWatch(b *testing.B) {
	g, _, _ := open(b, usual())
	grant, _ := g.ask(bearing(operator), Consume)
	b.ReportAllocs()
	for b.Loop() {
		w, _ := g.Watch(grant, func(Ending) {})
		w.Stop()
	}
}

func BenchmarkUserIP(b *testing.B) {
	addr := netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
	for _, mode := range []string{"full", "network", "hash", "off"} {
		b.Run("mode="+mode, func(b *testing.B) {
			u, err := NewUserIP(mode, "")
			if err != nil {
				b.Fatal(err)
			}
			var space [64]byte
			b.ReportAllocs()
			for b.Loop() {
				u.Append(space[:0], addr)
			}
		})
	}
}
