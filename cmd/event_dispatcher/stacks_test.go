package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"event-dispatcher/internal/program"
)

// A connection's goroutine keeps the stack that it once needed until the runtime takes it
// back, which may be minutes. So no request may need a large one, however deep or long what
// it says is: thousands of connections have sent one.
func TestRequestsLeaveSmallStacks(t *testing.T) {
	t.Parallel()
	const connections, most = 64, 32 << 10
	access := filepath.Join(t.TempDir(), "access.json")
	if err := os.WriteFile(access, []byte(`{"anonymous":{"roles":["publish","consume","operate"],"users":["*"]},"issuers":[{"name":"i","issuer":"i","audience":"a",
		"roles":["consume"],"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := program.Run(t, program.Command(t, []string{"GOGC=off"}, "-port", "127.0.0.1:0", "-access", access), 1)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	deeper := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	packed := func(w io.WriteCloser, to *bytes.Buffer, body string) string {
		io.WriteString(w, body)
		w.Close()
		return to.String()
	}
	var gz, zs bytes.Buffer
	encoder, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	gzipped, zstandard := packed(gzip.NewWriter(&gz), &gz, deep(9_000)), packed(encoder, &zs, deep(9_000))
	post := func(path, body string, headers ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), strings.Join(append(headers, ""), "\r\n"), body)
	}
	get := func(path string, headers ...string) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, strings.Join(append(headers, ""), "\r\n"))
	}
	jwt := func(header, claims string) string {
		return "Authorization: Bearer " + base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AA"
	}
	where := strings.Repeat("&where="+strings.Repeat("a.", 7)+"a="+strings.Repeat("1,", 30)+"1", 8)
	for _, tt := range []struct {
		name, request string
		status        int
	}{
		{"an event", post("/metrics", `{"a":1}`), 200},
		{"a deep event", post("/metrics", deep(9_000)), 200},
		{"a deep object", post("/metrics", deeper(9_000)), 200},
		{"a deep event that ends too early", post("/metrics", strings.Repeat("[", 200_000)), 400},
		{"a deep event in gzip", post("/metrics", gzipped, "Content-Encoding: gzip"), 200},
		{"a deep event in Zstandard", post("/metrics", zstandard, "Content-Encoding: zstd"), 200},
		{"a batch", post("/metrics", strings.Repeat(`{"a":1}`+"\n", 1000), "Content-Type: application/x-ndjson"), 200},
		{"an array", post("/metrics?batch=array", "["+deep(10_000)+",1]"), 200},
		{"a report", post("/cmcd", "e=t,ts=1"), 204},
		{"a report with many keys", post("/cmcd", "e=t,ts=1"+strings.Repeat(",a", 900)), 204},
		{"a deep submission", post("/poc/submit_update_event", `{"username":"u","cardId":"c","x":`+deep(9000)+`}`), 200},
		{"deep data", post("/poc/submit_update_event", `{"username":"u","cardId":"c","data":`+deep(9000)+`}`), 400},
		{"a user's events", get("/poc/replay_event_data/u"), 200},
		{"a view", get("/events/view?sample=0.5" + where), 200},
		{"figures", get("/console/stats?streams=10"), 200},
		{"metrics", get("/metrics"), 200},
		{"a page", get("/"), 200},
		{"a JWT with a deep header", get("/events/view", jwt(`{"alg":"EdDSA","x":`+deep(2900)+`}`, `{"iss":"i"}`)), 401},
		{"a JWT with deep claims", get("/events/view", jwt(`{"alg":"EdDSA"}`, `{"iss":"i","x":`+deep(2900)+`}`)), 401},
		{"a JWT with deep audiences", get("/events/view", jwt(`{"alg":"EdDSA"}`, `{"iss":"i","aud":`+deep(2900)+`}`)), 401},
	} {
		before := p.Metric("go_memstats_stack_inuse_bytes")
		for range connections {
			c, err := net.Dial("tcp", p.Addrs[0])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			go io.WriteString(c, tt.request)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if resp.StatusCode != tt.status {
				t.Fatalf("%s = %d; want %d", tt.name, resp.StatusCode, tt.status)
			}
		}
		each := (p.Metric("go_memstats_stack_inuse_bytes") - before) / connections
		t.Logf("%s: %.0f KiB", tt.name, each/1024)
		if each > most {
			t.Errorf("%s leaves a stack of %.0f KiB; want %d", tt.name, each/1024, most>>10)
		}
	}
}
