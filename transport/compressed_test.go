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

// With -compress auto a header is enough, and a query wins over it. Without, a header
// alone does nothing.
func TestStreamIsCompressedUnaskedOnlyIfTheServiceMay(t *testing.T) {
	t.Parallel()
	ask, auto := start(t), start(t, func(o *setup) { o.CompressAuto = true })
	for _, tt := range []struct {
		target  string
		headers []string
		want    bool // gzip from auto
	}{
		{"/events", []string{"Accept-Encoding: gzip"}, true},
		{"/events?wire=ndjson", []string{"Accept-Encoding: deflate, GZIP;q=0.5 , br"}, true},
		{"/events", []string{"Accept-Encoding: br", "Accept-Encoding: x-gzip"}, true},
		{"/events", []string{"Accept-Encoding: *"}, true},
		{"/events", []string{"Accept-Encoding: identity;q=0, *;q=0.001"}, true},
		{"/events", nil, false},
		{"/events", []string{"Accept-Encoding:"}, false},
		{"/events", []string{"Accept-Encoding: br, deflate, zstd"}, false},
		{"/events", []string{"Accept-Encoding: gzip;q=0"}, false},
		{"/events", []string{"Accept-Encoding: gzip;q=0, *"}, false},
		{"/events", []string{"Accept-Encoding: gzip;q=2"}, false},
		{"/events", []string{"Accept-Encoding: gzip;q=NaN"}, false},
		{"/events", []string{"Accept-Encoding: gzip;level=9"}, false},
		{"/events", []string{"Accept-Encoding: gzip;q=0.5, identity"}, false},
		{"/events?encoding=identity", []string{"Accept-Encoding: gzip"}, false},
		{"/events?every=1s&latest=a", []string{"Accept-Encoding: gzip"}, false},
	} {
		for _, s := range []*testServer{ask, auto} {
			for _, method := range []string{"HEAD", "GET"} {
				head := s.head(s.addr, request(method, tt.target, "", tt.headers...)).Header
				want, vary := "", ""
				if s == auto {
					vary = "Accept-Encoding"
					if tt.want {
						want = "gzip"
					}
				}
				if got := head.Get("Content-Encoding"); got != want {
					t.Errorf("%s %s with %q, auto %v: Content-Encoding %q; want %q", method, tt.target, tt.headers, s == auto, got, want)
				}
				if got := head.Get("Vary"); got != vary {
					t.Errorf("%s %s, auto %v: Vary %q; want %q", method, tt.target, s == auto, got, vary)
				}
			}
		}
	}
	c := auto.upgrade("/events?where=n=2", "Accept-Encoding: gzip")
	if op, text := c.frame(); op != 0x89 || strings.Contains(text, "encoding") {
		t.Errorf("first frame over WebSocket = %x %q; want a ping that says nothing of an encoding", op, text)
	}
}

// Who did not ask to be compressed is served as it is where no more can be compressed.
func TestStreamIsNotRefusedForACompressionThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.CompressAuto, o.pool.MaxCompressed = true, 1 })
	if got := s.head(s.addr, request("GET", "/events?encoding=gzip", "")).Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding = %q; want gzip", got)
	}
	if got := s.head(s.addr, request("GET", "/events?where=a", "", "Accept-Encoding: gzip")).Header.Get("Content-Encoding"); got != "" {
		t.Errorf("Content-Encoding with one compressed view too many = %q; want none", got)
	}
	if a := s.send(request("GET", "/events?where=a&encoding=gzip", "")); a.status != 503 || a.reason() != "views" {
		t.Errorf("GET of one compressed view too many = %d %q; want 503 views", a.status, a.body)
	}
	m := s.gather()
	if m["dispatcher_views"] != 2 || m["dispatcher_views_compressed"] != 1 || m["dispatcher_view_parts{general}"] != 1 {
		t.Errorf("views, compressed, general = %v, %v, %v; want 2, 1, 1", m["dispatcher_views"], m["dispatcher_views_compressed"], m["dispatcher_view_parts{general}"])
	}
}
