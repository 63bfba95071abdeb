package event

import (
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
