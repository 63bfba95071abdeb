package transport

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/screens"
)

// Whatever a request says of its body, and whether its client asks before sending it: an
// event that comes in was counted, and not twice.
func TestEveryEventIsCountedOnceAgainstTheRates(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.ClientRate = 0.001 }) // one, and then none for long
	const cmcd = "Content-Type: application/cmcd"
	clients := 0
	for _, path := range []string{"/metrics", "/api/events", ingest.ReportsPath, screens.SubmitPath} {
		for _, query := range []string{"", "?batch=array", "?batch=lines"} {
			for _, kind := range []string{"Content-Type: application/json", ndjson, cmcd} {
				for _, coding := range []string{"", "Content-Encoding: gzip"} {
					body := `{"username":"alice","cardId":"card"}`
					switch {
					case path == screens.SubmitPath:
					case path == ingest.ReportsPath, query == "" && kind == cmcd:
						body = "e=t,ts=1"
					case query == "?batch=array":
						body = "[" + body + "]"
					}
					if coding != "" {
						body = gzipped(t, body)
					}
					for asks := range 4 {
						clients++
						headers := append(headerLines(coding), kind, fmt.Sprintf("X-Forwarded-For: 10.1.%d.%d", clients/200, clients%200+1))
						conn := s.dial()
						br := bufio.NewReader(conn)
						for i, want := range []int{200, 429} {
							expects := asks>>i&1 == 1
							got := exchange(t, conn, br, request("POST", path+query, body, headers...), expects)
							if want == 200 && got == 204 { // of reports
								got = 200
							}
							if got != want {
								t.Errorf("event %d of POST %s%s, %s %s, asking first %v, = %d; want %d", i, path, query, kind, coding, expects, got, want)
							}
						}
						conn.Close()
					}
				}
			}
		}
	}
}

// A few hundred bytes of gzip may be an event of 256 KiB, which is as much work as many small ones:
// it counts as one for each 16 KiB. One that comes as it is counts as one.
func TestALargeEventThatCameSmallCountsAsMany(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}), func(o *setup) { o.ClientRate = 20 })
	large := `{"username":"alice","cardId":"card","data":"` + strings.Repeat("x", 200<<10) + `"}` // as 12
	for i, path := range []string{"/metrics", "/api/events", "/metrics?batch=lines", screens.SubmitPath} {
		for j, tt := range []struct {
			body    string
			headers []string
			second  int
		}{{large, nil, 200}, {gzipped(t, large), []string{"Content-Encoding: gzip"}, 429}} {
			headers := append(tt.headers, fmt.Sprintf("X-Forwarded-For: 10.2.%d.%d", i, j+1))
			conn := s.dial()
			br := bufio.NewReader(conn)
			for k, want := range []int{200, tt.second} {
				if got := exchange(t, conn, br, request("POST", path, tt.body, headers...), false); got != want && k == 0 || got == 200 && want == 429 {
					t.Errorf("event %d of 200 KiB at %s, %v, = %d; want %d", k, path, tt.headers, got, want)
				}
			}
			conn.Close()
		}
	}
}

// exchange sends a request, and if expects says so, its body not before it is asked for. It
// returns the status of the answer.
func exchange(t *testing.T, conn io.Writer, br *bufio.Reader, whole string, expects bool) int {
	t.Helper()
	if !expects {
		io.WriteString(conn, whole)
		return readAnswer(t, br, "POST").status
	}
	head, body, _ := strings.Cut(whole, "\r\n\r\n")
	io.WriteString(conn, head+"\r\nExpect: 100-continue\r\n\r\n")
	if a := readAnswer(t, br, "POST"); a.status != 100 {
		return a.status
	}
	io.WriteString(conn, body)
	return readAnswer(t, br, "POST").status
}
