package stream

import (
	"testing"
	"time"
)

// A pass matches as many events as take an eighth of a turn.
func TestPassTakesAnEighthOfATurn(t *testing.T) {
	o := Options{sweepTime: 8 * time.Millisecond, pass: 256}
	for _, tt := range []struct {
		name   string
		pass   int // before
		events int // that were matched
		took   time.Duration
		want   int
	}{
		{"the first one", 0, 1, time.Microsecond, 2},
		{"there is time left", 16, 16, time.Microsecond, 32},
		{"there were no more events", 16, 15, time.Microsecond, 16},
		{"herds keep room for no more", 256, 256, time.Microsecond, 256},
		{"twice as long", 100, 100, 2 * time.Millisecond, 50},
		{"the end of a batch", 100, 10, 2 * time.Millisecond, 5},
		{"one event takes longer than a turn", 1, 1, time.Second, 1},
	} {
		g := &group{pass: tt.pass}
		if g.learn(tt.events, tt.took, &o); g.pass != tt.want {
			t.Errorf("%s: %d events in %v: the next pass has %d; want %d", tt.name, tt.events, tt.took, g.pass, tt.want)
		}
	}
}
