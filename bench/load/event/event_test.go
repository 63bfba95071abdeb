package event

import (
	"bytes"
	"encoding/json"
	"testing"
)

func stamp(body []byte, sum uint32) Tag {
	t := Tag{Run: 0xdeadbeef, Producer: 7, Sequence: 1<<40 + 3, Intended: 1234567890123, Length: len(body), Sum: sum}
	t.Put(body)
	return t
}

func TestTagSurvivesTheWire(t *testing.T) {
	for _, size := range []int{MinBytes, 512, 4096} {
		body, _, sum := NewFixed(size).Append(nil)
		if len(body) != size {
			t.Errorf("NewFixed(%d) builds %d bytes", size, len(body))
		}
		want := stamp(body, sum)
		if !json.Valid(body) {
			t.Fatalf("NewFixed(%d) is not JSON: %s", size, body)
		}
		got, ok := Parse(body)
		if !ok || got != want {
			t.Errorf("Parse(%s) = %+v, %v; want %+v", body, got, ok, want)
		}
		if !got.Intact(body) {
			t.Errorf("Intact(%s) = false", body)
		}
	}
}

func TestIntactSeesEveryChangedByte(t *testing.T) {
	body, _, sum := NewFixed(200).Append(nil)
	tag := stamp(body, sum)
	for i := TagEnd; i < len(body); i++ {
		changed := bytes.Clone(body)
		changed[i] ^= 1
		if tag.Intact(changed) {
			t.Errorf("byte %d changed from %q to %q unnoticed", i, body[i], changed[i])
		}
	}
	for _, tt := range []struct {
		name string
		body string
		want bool
	}{
		{"address added", string(body[:199]) + `,"user_ip":"127.0.0.1"}`, true},
		{"something else added", string(body[:199]) + `,"user_id":"127.0.0.1"}`, false},
		{"cut short", string(body[:150]), false},
		{"empty", "", false},
	} {
		if got := tag.Intact([]byte(tt.body)); got != tt.want {
			t.Errorf("%s: Intact = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestParseRefusesWhatIsNoTag(t *testing.T) {
	body, _, sum := NewFixed(MinBytes).Append(nil)
	stamp(body, sum)
	for _, i := range []int{0, 5, 10, 18, 40, TagEnd - 1} {
		changed := bytes.Clone(body)
		changed[i] = 'x'
		if tag, ok := Parse(changed); ok {
			t.Errorf("Parse(%s) = %+v, true", changed, tag)
		}
	}
}

func TestSessionsLookLikeProduction(t *testing.T) {
	const events = 20_000
	s := NewSessions(100, 1)
	names := map[string]int{}
	flavours := map[Flavour]int{}
	largest := 0
	for range events {
		body, flavour, sum := s.Append(nil)
		tag := stamp(body, sum)
		var ev struct {
			Name    string          `json:"event_name"`
			Session string          `json:"session_id"`
			Version int             `json:"version"`
			Data    json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &ev); err != nil {
			t.Fatalf("event is not JSON: %v\n%s", err, body)
		}
		if !tag.Intact(body) || ev.Version != 1 || len(ev.Session) != 36 || ev.Data[0] != '{' {
			t.Fatalf("event is odd: %s", body)
		}
		names[ev.Name]++
		flavours[flavour]++
		switch n := len(body); {
		case ev.Name == "HEARTBEAT" && (n < 450 || n > 700),
			ev.Name == "START" && (n < 800 || n > 1500),
			ev.Name == "ERROR" && (n < 400 || n > 62_000):
			t.Errorf("%s has %d bytes", ev.Name, n)
		case ev.Name == "ERROR":
			largest = max(largest, n)
		}
	}
	if share := float64(names["HEARTBEAT"]) / events; share < 0.87 || share > 0.93 {
		t.Errorf("%.3f of events are heartbeats, want about 0.9: %v", share, names)
	}
	for _, name := range []string{"START", "STOP", "ERROR"} {
		if names[name] == 0 {
			t.Errorf("no %s among %d events", name, events)
		}
	}
	if largest < 40_000 {
		t.Errorf("largest ERROR has %d bytes, want the tail up to 60 KB", largest)
	}
	if flavours[Web] == 0 || flavours[Apple] == 0 || flavours[Android] == 0 {
		t.Errorf("flavours %v, want all three", flavours)
	}
}

func TestFirstHeartbeatFollowsItsStart(t *testing.T) {
	s := NewSessions(10, 2)
	started := ""
	for range 2000 {
		body, _, sum := s.Append(nil)
		stamp(body, sum)
		var ev struct {
			Name    string `json:"event_name"`
			Session string `json:"session_id"`
		}
		if err := json.Unmarshal(body, &ev); err != nil {
			t.Fatal(err)
		}
		if started != "" && (ev.Session != started || ev.Name != "HEARTBEAT") {
			t.Fatalf("after START of %s comes %s of %s", started, ev.Name, ev.Session)
		}
		started = ""
		if ev.Name == "START" {
			started = ev.Session
		}
	}
}
