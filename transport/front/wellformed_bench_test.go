package front

import (
	"bufio"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// What the check of a head costs every request of a browser.
func BenchmarkWellFormed(b *testing.B) {
	req := "POST /metrics HTTP/1.1\r\nHost: test\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36\r\n" +
		"Accept: */*\r\nAccept-Language: fr-CH,fr;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nContent-Type: text/plain;charset=UTF-8\r\n" +
		"Origin: https://player.example\r\nReferer: https://player.example/\r\nX-Forwarded-For: 198.51.100.7\r\nContent-Length: 2\r\n\r\n{}"
	var h fasthttp.RequestHeader
	if err := h.Read(bufio.NewReader(strings.NewReader(req))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := wellFormed(&h); !ok {
			b.Fatal("wellFormed() = false; want true")
		}
	}
}
