package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

// The log outlives connections, so it says of their addresses what events say.
func TestLogKeepsAddressesOnlyAsEventsHaveThem(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"full": `"address":"127.0.0.1:`, "network": `"address":"127.0.0.0"`, "hash": `"address":"`, "off": ""} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := boot(t, 1, "-user-ip", mode, "-stall-timeout", "100ms", "-log-format", "json")
			socket := open(t, p, "/ws/p/alice", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
			io.WriteString(socket, "\xff\xff\xff\xff\xff\xff") // no frame
			stalled := open(t, p, "/events", "")
			event := fmt.Sprintf(`{"a":"%s"}`, strings.Repeat("x", 200<<10))
			lines := map[string]string{}
			testkit.Eventually(t, "both are cut, and the log says so", func() bool {
				if status := post(t, p.url("/metrics"), event); status != 200 {
					t.Fatalf("POST = %d; want 200", status)
				}
				for _, line := range strings.Split(p.stderr.String(), "\n") {
					for _, kind := range []string{"session socket cut", "consumer cut"} {
						if strings.Contains(line, `"`+kind+`"`) {
							lines[kind] = line
						}
					}
				}
				return len(lines) == 2
			})
			for kind, line := range lines {
				if !strings.Contains(line, want) || strings.Contains(line, `"address"`) != (want != "") {
					t.Errorf("%s: the line %s; want %s in it", kind, line, want)
				}
				for _, c := range []net.Conn{socket, stalled} {
					if whole := c.LocalAddr().String(); mode != "full" && strings.Contains(line, whole) {
						t.Errorf("%s: the line %s; want no %s in it", kind, line, whole)
					}
				}
			}
		})
	}
}

// open sends a request for a stream or a socket, and reads the head of its answer.
func open(t *testing.T, p *inside, path, headers string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path, headers)
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("GET %s = %v, %v; want a stream or a socket", path, resp, err)
	}
	return c
}
