package stream

import (
	"fmt"
	"testing"
	"time"
)

func TestStallLimitAtADrain(t *testing.T) {
	t.Parallel()
	const window = 10 * time.Second
	begun := time.Now()
	for _, tt := range []struct {
		name           string
		drains         bool
		stall, elapsed time.Duration // since the ends began
		want           time.Duration
	}{
		{"no drain", false, time.Hour, time.Hour, time.Hour},
		{"in the silence", true, time.Hour, -time.Second, time.Hour},
		{"ends are spread", true, time.Hour, window, time.Hour},
		{"all were told to end", true, time.Hour, window + 1, drainStall},
		{"a short limit", true, time.Second, window + 1, time.Second},
	} {
		l := &loop{pool: &Pool{options: Options{Stall: tt.stall, drainStall: drainStall}}}
		if tt.drains {
			l.drainer = &drainer{plan: drainPlan{window: window}, from: begun}
		}
		if got := l.stall(begun.Add(tt.elapsed)); got != tt.want {
			t.Errorf("%s: a consumer may take nothing for %v; want %v", tt.name, got, tt.want)
		}
	}
}

// Who takes nothing is cut the sooner where half of what may be kept is. The times are made
// up.
func TestWhoTakesNothingIsCutSoonerWhereMuchIsKept(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour
		r := newRig(t, spacious(1), o)
		c := r.join(joinOptions{buffer: 16 << 10, stalled: true})
		r.wantHerd(c, true)
		r.publish(0, largeEvent)
		r.wantHerd(c, false)
		// is reports whether c is there after so long, where so many times as much may be kept.
		is := func(quiet time.Duration, times int64) (is bool) {
			r.inLoop(func(l *loop) {
				c, now := l.slots[0], time.Now()
				if c == nil {
					return
				}
				c.lag.progress, c.lag.queued, c.lag.backlog = now, false, l.sockets.backlog(c)
				l.keepMost = times * l.stats.kept.Load()
				l.cutStalled(now.Add(quiet))
				is = l.slots[0] != nil
			})
			return is
		}
		if !is(hardPressed, 3) {
			t.Fatalf("cut after %v where a third of what may be kept is; want it there for %v", hardPressed, o.Stall)
		}
		if !is(hardPressed-time.Second, 1) {
			t.Fatalf("cut before %v", hardPressed)
		}
		eventually(t, func() string { // its peer may acknowledge a last byte meanwhile
			if is(hardPressed, 1) {
				return fmt.Sprintf("there after %v in which it took nothing, where much is kept", hardPressed)
			}
			return ""
		})
		r.wantClosed(ReasonStalled, 1)
	})
}
