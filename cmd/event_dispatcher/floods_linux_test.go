package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

const mib = 1 << 20

// resident is the memory that the program has of the system.
func resident(p *program.Program) float64 { return p.Metric("process_resident_memory_bytes") }

// What strangers make the program keep stays within its budget and goes back when they go.
func TestMemoryGoesBackAfterAFlood(t *testing.T) {
	const large = 256 << 10
	event := `"` + strings.Repeat("x", large-2) + `"`
	head := fmt.Sprintf("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", large)
	for _, tt := range []struct {
		name        string
		connections int
		sent        string // by each
		budget      float64
		gauge       string // of what it is about
		arrived     func(p *program.Program) bool
		publish     bool // an event behind each, so that each stalls in another one
	}{
		{"declared lengths", 3000, head + " ", 3000 * 24 << 10, "dispatcher_bodies_bytes", func(p *program.Program) bool {
			return p.Metric("dispatcher_connections") >= 3000
		}, false},
		{"bodies", 300, head + strings.Repeat(" ", large-1), 32*mib + 300*24<<10, "dispatcher_bodies_bytes", func(p *program.Program) bool {
			return p.Metric(`dispatcher_requests_rejected_total{reason="bodies"}`) >= 300-32*mib/large
		}, false},
		{"stalled consumers", 500, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 16*mib + 500*4<<10, "dispatcher_lag_bytes", func(p *program.Program) bool {
			if p.Metric(`dispatcher_consumers{wire="sse"}`) < 500 {
				return false
			}
			_, _, err := p.Post("/metrics", event)
			return err == nil && p.Metric("dispatcher_consumers_lagging") >= 500
		}, false},
		{"consumers stalled in an event each", 150, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n", 16*mib + 150*4<<10, "dispatcher_lag_bytes", func(p *program.Program) bool {
			return p.Metric(`dispatcher_consumers_closed_total{reason="memory"}`) > 0
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A small ring, so that its pages are not in the way.
			p := program.Start(t, "-read-timeout", "1h", "-ring-bytes", fmt.Sprint(4*mib), "-lag-bytes", fmt.Sprint(16*mib))
			p.Post("/metrics", `1`)
			before := resident(p)
			peak := before
			var flood []net.Conn
			for range tt.connections {
				c, err := net.Dial("tcp", p.Addrs[0])
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.(*net.TCPConn).SetReadBuffer(16 << 10)
				flood = append(flood, c)
				go io.WriteString(c, tt.sent) // a body for which there is no room is not taken
				if tt.publish {
					if _, err := c.Read(make([]byte, 1)); err != nil { // the stream is open
						t.Fatal(err)
					}
					p.Post("/metrics", event)
				}
			}
			testkit.Eventually(t, tt.name+" arrive", func() bool {
				peak = max(peak, resident(p))
				return tt.arrived(p)
			})
			peak = max(peak, resident(p))
			held := p.Metric(tt.gauge)
			if most := before + 4*mib + tt.budget + 64*mib; peak > most {
				t.Errorf("%.0f MiB resident under %d connections, %.0f before; want %.0f at most", peak/mib, tt.connections, before/mib, most/mib)
			}
			for _, c := range flood {
				c.Close()
			}
			ended := time.Now()
			testkit.Eventually(t, "what they held is free", func() bool { return p.Metric(tt.gauge) == 0 })
			free := time.Since(ended)
			testkit.Eventually(t, "the memory goes back", func() bool { return resident(p) < before+4*mib+8*mib })
			t.Logf("resident %.0f MiB before, %.0f under %d connections, %s %.1f MiB; free after %v, back at %.0f MiB after %v",
				before/mib, peak/mib, tt.connections, tt.gauge, held/mib, free, resident(p)/mib, time.Since(ended))
		})
	}
}
