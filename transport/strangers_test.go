package transport

import (
	"bufio"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// One client that asks for 10,000 different views gets as many as there may be, and
// leaves nothing behind. Not parallel: it looks at the heap of the whole process.
func TestTenThousandViewsOfOneClientAreBounded(t *testing.T) {
	const most, asked = 32, 10_000
	s := start(t, func(o *setup) {
		o.pool = stream.Options{MaxViews: most}
		o.Views = view.Options{MaxDistinct: 4 * most, MaxGeneral: most}
	})
	usual := s.listen("/events?where=session_id=usual")
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var open []*consumer
	for i := range most - 1 {
		open = append(open, s.listen(fmt.Sprintf("/events?where=session_id=%d", i)))
	}
	conn := s.dial()
	answers := bufio.NewReader(conn)
	go func() {
		for i := range asked {
			path := "/events" // each of these would be one view too many
			if i%2 == 0 {
				path = "/events/view"
			}
			fmt.Fprint(conn, request("GET", fmt.Sprintf("%s?where=session_id=s%d&members=m%d", path, i, i), ""))
		}
	}()
	refused := 0
	for i := range asked {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusServiceUnavailable:
			refused++
		case resp.StatusCode != http.StatusOK || i%2 == 1:
			t.Fatalf("answer %d is %d; want 503, or 200 for a view that is only shown", i, resp.StatusCode)
		}
	}
	if refused < asked/2 {
		t.Errorf("%d were refused; want each stream, %d", refused, asked/2)
	}
	if got := s.gather(); got["dispatcher_views"] != most || got["dispatcher_view_parts"] > 8*most+8 {
		t.Errorf("views = %v, of parts %v; want %d, and parts within their limits", got["dispatcher_views"], got["dispatcher_view_parts"], most)
	}
	s.post("/metrics", `{"session_id":"usual"}`)
	if got := usual.event(); got != `{"session_id":"usual"}` {
		t.Errorf("who was there first gets %q; want its event", got)
	}
	for _, c := range open {
		c.conn.Close()
	}
	testkit.Eventually(t, "their views are forgotten", func() bool { return s.gather()["dispatcher_views"] == 1 })
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap has grown by %d KiB; want little", grown>>10)
	}
}
