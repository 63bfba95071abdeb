package relay

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"event-dispatcher/broker/session"
)

// What somebody publishes in the name of an instance hides its events for a while, not
// for good. The first one that comes again has before it how many did not.
func TestAnInstanceIsHeardAgainAfterSomebodySpokeForIt(t *testing.T) {
	const far = 1 << 39
	a := Origin{1}
	for _, tt := range []struct {
		name   string
		before int // events that came before
		false  string
		pause  time.Duration // between two events
	}{
		{"empty", 10, envelopeOf(a, 0, 10+far), 100 * time.Millisecond},
		{"event", 10, envelopeOf(a, 0, 10+far, "666"), 100 * time.Millisecond},
		{"first", 0, envelopeOf(a, 0, far), 100 * time.Millisecond},
		{"fast", 10, envelopeOf(a, 0, 10+far), time.Millisecond},
		{"slow", 10, envelopeOf(a, 0, 10+far), time.Minute},
		{"near the end", 0, envelopeOf(a, 0, farewell-1), 100 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				r := newReceiver(&d, 1)
				core, lines := observer.New(zapcore.WarnLevel)
				r.log = zap.New(core)
				next := 0
				say := func() {
					r.receive(arrival{text: envelopeOf(a, 0, uint64(next), fmt.Sprint(next))})
					next++
				}
				for range tt.before {
					say()
				}
				r.receive(arrival{text: tt.false})
				told := len(d.entries)
				for range 10_000 {
					say()
					time.Sleep(tt.pause)
				}
				missing := next - (len(d.entries) - told - 1) - tt.before
				most := max(longRun, int(longRunTime/tt.pause)) + 1
				if missing < 1 || missing > most {
					t.Fatalf("%d events did not come; want %d at most", missing, most)
				}
				want := []string{fmt.Sprintf("0:skip %d", missing)}
				for n := tt.before + missing; n < next; n++ {
					want = append(want, fmt.Sprintf("0:%d", n))
				}
				if got := d.entries[told:]; !slices.Equal(got, want) {
					t.Errorf("the sink was told %.60q; want %.60q", got, want)
				}
				if n := r.errors[badSequence].Load(); n != 1 || lines.Len() != 1 {
					t.Errorf("%d errors, %d lines in the log; want 1, 1", n, lines.Len())
				}
			})
		})
	}
}

// What comes late or again comes to nothing, however much of it there is.
func TestNothingIsDeliveredTwiceHoweverLateItComes(t *testing.T) {
	a := Origin{1}
	events := func(r *receiver, from, n uint64) {
		for seq := from; seq < from+n; seq++ {
			r.receive(arrival{text: envelopeOf(a, 0, seq, fmt.Sprint(seq))})
			time.Sleep(100 * time.Microsecond)
		}
	}
	for name, late := range map[string]func(r *receiver, next uint64){
		// The carrier takes messages, and its answers are lost.
		"sent again and again": func(r *receiver, next uint64) {
			for range 100 {
				for range 200 { // while the others are gathered
					r.receive(arrival{text: envelopeOf(a, 0, next-2*maxPipeline)})
					time.Sleep(lookPause)
				}
				events(r, next-2*maxPipeline, maxPipeline)
			}
		},
		// Each from a connection of its own, with different events.
		"from four connections": func(r *receiver, next uint64) {
			for n := range uint64(4) {
				events(r, next-(5-n)*maxPipeline, maxPipeline)
				time.Sleep(time.Minute)
			}
		},
		// A server of a cluster hands on what it had, and another what is new.
		"behind an idle instance": func(r *receiver, next uint64) {
			for n := range uint64(60) {
				events(r, n*100, 100)
				r.receive(arrival{text: envelopeOf(a, 0, next)})
				time.Sleep(announce)
			}
		},
		"behind a busy instance": func(r *receiver, next uint64) {
			for n := range uint64(600) {
				events(r, n*10, 10)
				time.Sleep(announce)
				events(r, next+n, 1)
			}
		},
		"all at once": func(r *receiver, next uint64) { events(r, 0, next) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				r := newReceiver(&d, 1)
				r.receive(arrival{text: envelopeOf(a, 0, 0)})
				const next = 10_000
				events(r, 5000, next-5000) // 5000 are lost
				late(r, next)
				if d.entries[0] != "0:skip 5000" {
					t.Errorf("the sink was told %s first; want a gap of 5000", d.entries[0])
				}
				for n, got := range d.entries[1:] {
					if want := fmt.Sprintf("0:%d", 5000+n); got != want {
						t.Fatalf("the sink was told %s; want %s", got, want)
					}
				}
				if n := r.errors[badSequence].Load(); n != 0 {
					t.Errorf("%d errors; want none", n)
				}
			})
		})
	}
}

type sessionDiary []string

func (d *sessionDiary) DeliverSession(e session.Event) { *d = append(*d, e.ID) }

// The same for session events.
func TestSessionEventsAreHeardAgainAfterSomebodySpokeForAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d sessionDiary
		missed := 0
		r := sessionReceiver{sink: &d, max: 1 << 20, log: zap.NewNop(), missed: func() { missed++ }}
		say := func(sequence uint64) {
			e := session.Event{ID: fmt.Sprint(sequence), Source: "alice", Action: session.Updating, Type: session.UserSession}
			e.Origin = fmt.Sprintf("%s%c%d", Origin{1}, sequenceMark, sequence)
			r.receive(string(e.JSON()))
		}
		say(0)
		say(1 << 62)
		for n := range uint64(1000) {
			say(n + 1)
			time.Sleep(100 * time.Millisecond)
		}
		for n := range uint64(maxPipeline) {
			say(n + 1001 - maxPipeline) // again
		}
		came, gaps := uint64(len(d)), r.gaps.Load()
		if came < 900 || came+gaps != 1002 || missed != 1 {
			t.Errorf("%d events came, gaps of %d, told %d times; want nearly all, the rest of 1002, 1", came, gaps, missed)
		}
		if !slices.IsSortedFunc(d[2:], func(a, b string) int { return len(a) - len(b) }) || d[came-1] != "1000" {
			t.Errorf("events %q; want each once, to 1000", d)
		}
	})
}
