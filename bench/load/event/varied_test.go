package event

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"testing"
)

func TestVariedEventsSayWhatTheirFactsAre(t *testing.T) {
	sessions := make(map[string]int)
	for lane := range 3 {
		v := NewVaried(lane, 3, 10, 512)
		for n := uint64(1); n <= 60; n++ {
			body, _, sum := v.Append(nil)
			Tag{Run: 1, Producer: 1, Sequence: n, Length: len(body), Sum: sum}.Put(body)
			var got struct {
				Name    string `json:"event_name"`
				Session string `json:"session_id"`
				Data    struct {
					Platform string
					Position uint64
				}
			}
			if err := json.Unmarshal(body, &got); err != nil || len(body) != 512 {
				t.Fatalf("%d bytes, %v: %s", len(body), err, body)
			}
			want := v.Facts(n)
			if got.Name != want.Name || got.Session != want.Session || got.Data.Platform != want.Platform || got.Data.Position != want.Position {
				t.Fatalf("event %d says %+v, want %+v", n, got, want)
			}
			if l, k := Place(got.Data.Position); l != lane || k != n {
				t.Errorf("position %d is number %d of lane %d", got.Data.Position, k, l)
			}
			if l, ok := sessions[got.Session]; ok && l != lane {
				t.Errorf("session %s has events on lanes %d and %d", got.Session, l, lane)
			}
			sessions[got.Session] = lane
		}
	}
	if len(sessions) != 10 {
		t.Errorf("%d sessions, want 10", len(sessions))
	}
}

// What compresses events must find in these what it finds in real ones, with the tag,
// which real ones lack, counted in.
func TestVariedEventsCompressLikeHeartbeats(t *testing.T) {
	const events = 2000
	ratio := func(next func(n uint64) []byte) float64 {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestCompression)
		plain := 0
		for n := range uint64(events) {
			body := next(n + 1)
			plain += len(body)
			_, _ = w.Write(body)
		}
		_ = w.Flush()
		return float64(plain) / float64(packed.Len())
	}
	sessions := NewSessions(200, 1)
	production := ratio(func(uint64) []byte {
		for {
			body, _, _ := sessions.Append(nil)
			if bytes.Contains(body, []byte(`"event_name":"HEARTBEAT"`)) {
				return body
			}
		}
	})
	varied := NewVaried(0, 1, 200, 512)
	got := ratio(func(n uint64) []byte {
		body, _, sum := varied.Append(nil)
		Tag{Run: 7, Producer: 1, Sequence: n, Intended: int64(n) * 500_000, Length: len(body), Sum: sum}.Put(body)
		return body
	})
	if got < 0.9*production || got > 1.05*production {
		t.Errorf("%.2f times fewer bytes, production's heartbeats %.2f times", got, production)
	}
}
