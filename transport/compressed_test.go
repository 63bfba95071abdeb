package transport

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"event-dispatcher/transport/stream"
)

// A client that decodes as it reads sees each event soon, and the end.
func TestCompressedStreamIsDecodedAsItComes(t *testing.T) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		s := start(t, func(o *setup) { o.pool = stream.Options{Portable: portable} })
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		var lines []*bufio.Reader
		for range 3 { // net/http asks for gzip, and then decodes it
			resp, err := client.Get("http://" + s.addr + "/events?encoding=gzip")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if !resp.Uncompressed {
				t.Errorf("answer is not compressed: %v", resp.Header)
			}
			br := bufio.NewReader(resp.Body)
			if line, err := br.ReadString('\n'); err != nil || line != ": connected\n" {
				t.Fatalf("first line = %q, %v; want the opening", line, err)
			}
			lines = append(lines, br)
		}
		for n := range 5 {
			event := fmt.Sprintf(`{"n":%d}`, n)
			s.post("/metrics", event)
			for _, br := range lines {
				for _, want := range []string{"data: " + event + "\n", "\n"} {
					if line, err := br.ReadString('\n'); err != nil || line != want {
						t.Fatalf("line = %q, %v; want %q", line, err, want)
					}
				}
			}
		}
		s.pool.Drain(context.Background(), 0, 0)
		for _, br := range lines {
			line, err := br.ReadString('\n')
			if _, end := br.ReadByte(); err != nil || !strings.HasPrefix(line, "retry: ") || end == nil || end.Error() != "EOF" {
				t.Errorf("last line = %q, %v, then %v; want retry and the end", line, err, end)
			}
		}
	}
}

func TestConflatedStreamIsNotCompressed(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.send(request("GET", "/events?encoding=gzip&every=1s&latest=a", ""))
	if a.status != 400 || a.reason() != "parameter" || !strings.Contains(a.body, "encoding") {
		t.Errorf("GET = %d %q; want 400 parameter that names encoding", a.status, a.body)
	}
}
