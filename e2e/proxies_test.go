//go:build unix

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	gorilla "github.com/gorilla/websocket"
)

// trusting is what a client needs that trusts the site.
func (s site) trusting(t testing.TB) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(contents(t, s.cert))) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: roots}
}

// A connection of HTTP/2 has many streams and POSTs at the same time; sockets come
// over HTTP/1.1; what is for operators is not for everybody.
func TestProxiesOfDeploySpeakHTTP2(t *testing.T) {
	for name, begin := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			instance := start(t, 1)[0]
			s := begin(t, instance)
			transport := &http.Transport{TLSClientConfig: s.trusting(t), ForceAttemptHTTP2: true, MaxConnsPerHost: 1}
			t.Cleanup(transport.CloseIdleConnections)
			client := &http.Client{Transport: transport}
			const streams = 20 // a browser has six of HTTP/1.1
			var all []*lines
			for range streams {
				ctx, end := context.WithCancel(context.Background())
				t.Cleanup(end)
				req, err := http.NewRequestWithContext(ctx, "GET", "https://"+s.tls+"/events", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 2 {
					t.Fatalf("GET /events = %v, %v; want 200 over HTTP/2", resp, err)
				}
				out := &lines{}
				all = append(all, out)
				go io.Copy(out, resp.Body)
			}
			dialer := gorilla.Dialer{TLSClientConfig: s.trusting(t)}
			socket, _, err := dialer.Dial("wss://"+s.tls+"/events", nil)
			if err != nil {
				t.Fatalf("a WebSocket over TLS: %v", err)
			}
			defer socket.Close()
			consumed(t, instance, streams+1)
			resp, err := client.Post("https://"+s.tls+"/api/events", "application/json", strings.NewReader(`{"n":1}`))
			if err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 2 {
				t.Fatalf("POST = %v, %v; want 200 over HTTP/2", resp, err)
			}
			resp.Body.Close()
			const want = `{"n":1,"user_ip":"127.0.0.1"}`
			for i, out := range all {
				eventually(t, fmt.Sprintf("stream %d has the event", i), func() bool { return strings.Contains(out.String(), "data: "+want+"\n\n") })
			}
			if _, text, err := socket.ReadMessage(); err != nil || string(text) != want {
				t.Errorf("the socket has %q, %v; want %s", text, err, want)
			}
			out, err := exec.Command("curl", "-sS", "--http2", "--cacert", s.cert, "-d", `{"n":2}`, "-w", "%{http_version} %{http_code}", "https://"+s.tls+"/metrics").CombinedOutput()
			if err != nil || string(out) != "2 200" {
				t.Errorf("curl = %q, %v; want 200 over HTTP/2", out, err)
			}
			if name != "nginx" {
				return // the file says it of nginx only
			}
			resp, err = client.Get("https://" + s.tls + "/metrics")
			if err != nil || resp.StatusCode != 403 {
				t.Errorf("GET /metrics = %v, %v; want 403", resp, err)
			}
			resp.Body.Close()
		})
	}
}

// Over HTTP/2 a page has more streams at the same time than over HTTP/1.1.
func TestPageHasTenStreamsOverHTTP2(t *testing.T) {
	t.Parallel()
	instance := start(t, 1)[0]
	s := behindNginx(t, instance)
	do := browse(t, "https://"+s.tls+"/livez", chromedp.IgnoreCertErrors)
	do(`got = Array(10).fill(0); got.forEach((_, i) => new EventSource("/events").onmessage = () => got[i]++); 0`, nil)
	consumed(t, instance, 10)
	do(`fetch("/api/events", {method: "POST", body: "{}"}); 0`, nil)
	var got []int
	eventually(t, "all streams have the event", func() bool {
		do("got", &got)
		return len(got) == 10 && !strings.Contains(fmt.Sprint(got), "0")
	})
}
