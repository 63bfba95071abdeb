package access

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// post is a player's request as it is parsed.
func post(b *testing.B, authorization []string) *fasthttp.RequestCtx {
	b.Helper()
	head := "POST /metrics HTTP/1.1\r\nHost: events.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nOrigin: https://player.example\r\n" +
		"Content-Type: application/json\r\nContent-Length: 2\r\nAccept-Encoding: gzip, br\r\nAccept-Language: de\r\n"
	for _, line := range authorization {
		head += "Authorization: " + line + "\r\n"
	}
	ctx := request(credentials{})
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(head + "\r\n{}"))); err != nil {
		b.Fatal(err)
	}
	return ctx
}

// BenchmarkHeaderLookup is one look-up in the head: the yardstick for the others.
func BenchmarkHeaderLookup(b *testing.B) {
	ctx := post(b, bearing(player).authorization)
	for b.Loop() {
		ctx.Request.Header.PeekAll(fasthttp.HeaderAuthorization)
	}
}

// BenchmarkCheck is what a request pays: the look-up of the header, and the check of what
// it says. "off" is without an access file. Where the connection is not new, it is one that
// is kept alive and brought the same credential before.
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
		{"access=off", nil, bearing(player), true},
		{"access=anonymous", file, credentials{}, true},
		{"access=token", file, bearing(player), true},
		{"access=token/connection=new", file, bearing(player), false},
		{"access=jwt", issuers, bearing(signed), true},
		{"access=jwt/connection=new", issuers, bearing(signed), false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			ctx := post(b, bb.c.authorization)
			var memo Memo
			b.ReportAllocs()
			for b.Loop() {
				if !bb.memo {
					memo = Memo{}
				}
				if _, r := bb.gate.Check(ctx, &memo, Publish); r != Granted {
					b.Fatal(r)
				}
			}
		})
	}
}

// BenchmarkAdmit is what the routes call: the check, and a place for the grant.
func BenchmarkAdmit(b *testing.B) {
	file, _, _ := open(b, usual())
	for _, bb := range []struct {
		name string
		gate *Gate
	}{{"access=off", nil}, {"access=token", file}} {
		b.Run(bb.name, func(b *testing.B) {
			ctx := post(b, bearing(player).authorization)
			var memo Memo
			b.ReportAllocs()
			for b.Loop() {
				if r, ok := bb.gate.Admit(ctx, &memo, Publish, nil); !ok {
					b.Fatal(r)
				}
				ctx.ResetUserValues() // as the HTTP server does between requests
			}
		})
	}
}

func BenchmarkWatch(b *testing.B) {
	g, _, _ := open(b, usual())
	grant, _ := g.ask(bearing(operator), Consume)
	b.ReportAllocs()
	for b.Loop() {
		w, _ := g.watch(grant, func(Ending) {})
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
