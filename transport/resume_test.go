package transport

import (
	"strings"
	"testing"
)

func TestConsumerResumesByHeaderOrParameter(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events?ids=1")
	s.post("/metrics", "1")
	c.block() // the place where the stream opens
	id, data, _ := strings.Cut(c.block(), "\n")
	if id = strings.TrimPrefix(id, "id: "); data != "data: 1\n\n" {
		t.Fatalf("behind the id %q: %q; want the event", id, data)
	}
	s.post("/metrics", "2")
	for _, tt := range []struct {
		target string
		header []string
		opens  string
		first  string
	}{
		{"/events?ids=1", []string{"Last-Event-ID: " + id}, ": connected; resumed\n", "2"},
		{"/events", []string{"Last-Event-ID: " + id}, ": connected; resumed\n", "2"},
		{"/events?lastEventId=" + id, nil, ": connected; resumed\n", "2"},
		{"/events?lastEventId=x", []string{"Last-Event-ID: " + id}, ": connected; resumed\n", "2"},
		{"/events", []string{"Last-Event-ID: 0"}, ": connected; cannot resume: what was published before is not known here\n", "3"},
		{"/events?lastEventId=0", nil, ": connected; cannot resume: what was published before is not known here\n", "3"},
		{"/events", []string{"Last-Event-ID: z.1"}, ": connected; cannot resume: what was published before is not known here\n", "3"},
	} {
		c := s.listen(tt.target, tt.header...)
		if c.first != tt.opens {
			t.Errorf("GET %s %q opens with %q; want %q", tt.target, tt.header, c.first, tt.opens)
		}
		if tt.first == "3" {
			s.post("/metrics", "3")
		}
		for got := c.block(); ; got = c.block() {
			_, data, _ := strings.Cut(got, "\n")
			if strings.HasPrefix(got, "id: ") && data == "\n" {
				continue
			}
			if data != "data: "+tt.first+"\n\n" && got != "data: "+tt.first+"\n\n" {
				t.Errorf("GET %s %q: first event %q; want %s", tt.target, tt.header, got, tt.first)
			}
			break
		}
		c.conn.Close()
	}
}
