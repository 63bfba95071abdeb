package transport

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// What the check of a head costs every request of a browser.
func BenchmarkWellFormed(b *testing.B) {
	req := request("POST", "/metrics", "{}", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
		"Accept: */*", "Accept-Language: fr-CH,fr;q=0.9", "Accept-Encoding: gzip, deflate, br", "Content-Type: text/plain;charset=UTF-8",
		"Origin: https://player.example", "Referer: https://player.example/", "X-Forwarded-For: 198.51.100.7")
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(strings.NewReader(req))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := wellFormed(&h); !ok {
			b.Fatal("wellFormed() = false; want true")
		}
	}
}
