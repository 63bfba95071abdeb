package ingest

import (
	"strings"
	"testing"

	"event-dispatcher/transport/ingest/inflate"
)

// The rate bounds what clients make the service work: a request costs one event at least,
// whatever is in it, and one that is refused for the rate is not unpacked.
func TestARequestWithoutGoodEventsCountsAsOne(t *testing.T) {
	t.Parallel()
	const zipped = "Content-Encoding: gzip"
	for _, tt := range []struct {
		name, target, body string
		headers            []string
		status             int
	}{
		{"blank lines", "/metrics", strings.Repeat("\n", 100), []string{ndjson}, 400},
		{"nothing", "/metrics", "", []string{ndjson}, 400},
		{"compressed blank lines", "/metrics", gzipped(t, strings.Repeat("\n", 4<<20)), []string{ndjson, zipped}, 400},
		{"an empty array", "/metrics?batch=array", "[]", nil, 400},
		{"no array", "/metrics?batch=array", `"` + strings.Repeat("a", 1000) + `"`, nil, 400},
		{"a batch that is damaged", "/metrics", gzipped(t, "{}\n{}\n")[:20], []string{ndjson, zipped}, 400},
		{"a batch that is too large", "/metrics", gzipped(t, strings.Repeat("\n", 4<<20+1)), []string{ndjson, zipped}, 413},
		{"no records", "/cmcd", gzipped(t, strings.Repeat("\n", 1000)), []string{zipped}, 400},
		{"an event that is damaged", "/metrics", gzipped(t, "{}")[:20], []string{zipped}, 400},
		{"an event that is too large", "/metrics", gzipped(t, strings.Repeat(" ", 256<<10+1)), []string{zipped}, 413},
	} {
		players := limited(t, 1)
		handler := players.PostAny
		if tt.target == ReportsPath {
			handler = players.PostReports
		}
		bad := newPost(tt.target, tt.body, tt.headers...)
		if status := bad.to(handler); status != tt.status {
			t.Errorf("%s: %d %s; want %d", tt.name, status, bad.ctx.Response.Body(), tt.status)
		}
		before := players.counts.before[inflate.Gzip].Load()
		if status := bad.to(handler); status != 429 || players.counts.before[inflate.Gzip].Load() != before {
			t.Errorf("%s: %d when it comes again with a limit of 1; want 429 without unpacking it", tt.name, status)
		}
	}
}

// A batch of n events counts as n.
func TestABatchCountsAsItsEvents(t *testing.T) {
	t.Parallel()
	for _, asks := range []bool{false, true} {
		players := limited(t, 8)
		for i, tt := range []struct {
			events, status int
		}{{1, 200}, {5, 200}, {2, 200}, {1, 429}} {
			request := newPost("/metrics", strings.Repeat("{}\n", tt.events), ndjson)
			if asks {
				players.BeforeBody(&request.ctx)
			}
			if status := request.to(players.PostAny); status != tt.status {
				t.Errorf("batch %d, of %d events with a limit of 8 in all, asking first %v, = %d; want %d", i, tt.events, asks, status, tt.status)
			}
		}
	}
}
