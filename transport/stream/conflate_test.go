package stream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// publishValue publishes an event that has a member "value" besides the others.
func (r *rig) publishValue(shard int, value string) {
	s := &r.shards[shard]
	s.Lock()
	defer s.Unlock()
	r.put(shard, wire.Format{}.AppendEvent(nil, fmt.Appendf(nil, `{"shard":%d,"producer":0,"number":%d,"size":0,"pad":"","value":"%s"}`, shard, s.next, value)))
	s.next++
}

// held is what conflated herds hold back, by the gauge; that it is what each of them
// counts is checked.
func (r *rig) held() (held int64) {
	r.inLoop(func(l *loop) {
		held = l.stats.held.Load()
		counted := int64(0)
		for _, h := range l.conflated {
			counted += int64(h.conflation.counted)
		}
		if held != counted {
			r.t.Errorf("conflated views hold %d, of each %d; want the same", held, counted)
		}
	})
	return held
}

// The values by which views conflate may be as long as events, or very many. What they
// take is counted, and bounded with the rest, also after a release.
func TestValuesOfConflatedViewsAreBounded(t *testing.T) {
	const room, herds = 16 << 20, 8
	const shape = "&latest=value&members=shard,producer,number,size,pad"
	for _, tt := range []struct {
		name   string
		events int
		size   int // of a value
		pace   int // events that the loop is given at once
	}{
		{"large", 100, largeEvent, 10},
		{"many", 30_000, 10, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, broker.Options{Shards: 1, Bytes: 16 << 20, MaxEvent: 300 << 10}, Options{Loops: 1, KeepAlive: -1, Stall: time.Hour, hardPressed: time.Hour, LagBytes: room})
			v := newViews(t, r.broker)
			before := heap()
			var all []*client
			for i := range herds {
				all = append(all, r.join(joinOptions{view: v.of(fmt.Sprintf("every=%dm%s", i+1, shape))}))
			}
			r.awaitHerd(herds)
			padding := strings.Repeat("x", tt.size)
			for i := range tt.events {
				r.publishValue(0, fmt.Sprintf("%d%s", i, padding))
				if i%tt.pace == 0 {
					r.wantSwept()
				}
			}
			r.wantSwept()
			eventually(t, func() string { // what is let go of can outlast a collection
				held, grown := r.held(), heap()-before
				kept := r.pool.loops[0].stats.kept.Load() // shares that slow readers have a part of
				// Clients have buffers of 64 KiB, and what events pass through has some of 256 KiB.
				if most := held + kept + 4<<20; held == 0 || held > room || grown > most {
					return fmt.Sprintf("%d held, %d kept, heap grown by %d; want some and %d at most, and %d at most", held, kept, grown, room, most)
				}
				return ""
			})
			for i, c := range all {
				eventually(t, func() string {
					in, _ := r.inspect(c)
					got := c.books()
					if got.wrong != "" || got.received != in.Delivered || in.Delivered+in.Skipped+in.PassedOver+in.Lag != uint64(tt.events) {
						return fmt.Sprintf("client %d: %s; received %d; Inspect() = %+v; want %d events in all", i, got.wrong, got.received, in, tt.events)
					}
					return ""
				})
			}
		})
	}
}

// wantSwept waits until the loop has seen all that was published.
func (r *rig) wantSwept() {
	r.t.Helper()
	eventually(r.t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			if l.live.behind(l.broker) || l.holding.behind(l.broker) {
				wrong = "the loop is behind its log"
			}
		})
		return wrong
	})
}

// Equal values have the same key in a loop, and keys cannot be foretold.
func TestKeyOfAValueIsTheLoopsOwn(t *testing.T) {
	r := newRig(t, roomy(1), Options{Loops: 2, KeepAlive: -1})
	path := newViews(t, r.broker).of("every=1s&latest=value").Pace.Latest
	var keys [2][3]valueKey
	for i, l := range r.pool.loops {
		done := make(chan struct{})
		l.post(func() {
			defer close(done)
			for j, event := range []string{`{"value":"a"}`, `{"x":1,"value":"\u0061"}`, `{"value":"b"}`} {
				keys[i][j] = l.keyOf(path, []byte(event))
			}
		})
		<-done
	}
	for i, k := range keys {
		if k[0] != k[1] || k[0] == k[2] {
			t.Errorf("loop %d: keys %x of a, a and b; want the first two to be the same", i, k)
		}
	}
	if keys[0][0] == keys[1][0] {
		t.Errorf("two loops have the key %x; want each to have its own", keys[0][0])
	}
}

// An event that was held back says that its consumer is past what was passed over before,
// in other shards, too: else who resumes from there would be told that it missed that, once
// the ring has it no more.
func TestIDBehindAHeldEventIsPastWhatWasPassedOver(t *testing.T) {
	r := newRig(t, roomy(2), Options{Loops: 1, KeepAlive: -1})
	j := joinOptions{view: newViews(t, r.broker).of("ids=1&every=10ms&latest=value&where=value&members=shard,producer,number,size,pad")}
	c := r.join(j)
	r.awaitHerd(1)
	for range 100 {
		r.publish(0, 10)
	}
	r.wantSwept()
	r.publishValue(1, "x")
	c.awaitEvents(t, 1)
	c.conn.Close()
	<-c.done
	if again := r.resume(c, j); again.joined != c.joined+101 {
		t.Errorf("the stream goes on at %d; want %d", again.joined, c.joined+101)
	}
}

// What a member waits for is what was held since it came and is not superseded, whenever it is
// asked for.
func TestWhatIsHeldForMembersIsCounted(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	herds := make([]*herd, 2)
	for i := range herds {
		herds[i] = &herd{conflation: &conflation{fresh: map[*consumer]entry{}}}
	}
	for range 300 {
		h := herds[random.IntN(len(herds))]
		f := h.conflation
		for range random.IntN(20) {
			f.held = append(f.held, heldEvent{number: f.next})
			f.next += 1 + uint64(random.IntN(2)) // a shard may have given up some
			f.counts = f.counts[:0]
		}
		for range random.IntN(5) {
			if len(f.held) > 0 {
				if e := &f.held[random.IntN(len(f.held))]; !e.over {
					e.over = true
					f.dead++
					f.counts = f.counts[:0]
				}
			}
		}
		f.fresh[&consumer{herd: h}] = entry{number: f.next}
		for _, h := range herds {
			for c, e := range h.conflation.fresh {
				want := uint64(0)
				for _, held := range h.conflation.held {
					if held.number >= e.number && !held.over {
						want++
					}
				}
				if got := c.herd.conflation.waiting(c); got != want {
					t.Fatalf("%d of %d events are held for who came at %d; want %d", got, len(h.conflation.held), e.number, want)
				}
			}
		}
	}
	all := uint64(len(herds[0].conflation.held) - herds[0].conflation.dead)
	if got := herds[0].conflation.waiting(&consumer{herd: herds[0]}); got != all {
		t.Errorf("%d are held for who was there before; want %d", got, all)
	}
}

// Who comes, or comes back, where its herd last let go, but behind what the herd was told it
// missed, is told so, too: that was not passed over.
func TestNewcomerOfAConflatedViewIsToldWhatItsHerdWasTold(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker).of("every=1h&latest=number")
		member := r.join(joinOptions{view: v})
		r.awaitHerd(1)
		ticket := r.admit(v)
		var c *client
		r.inLoop(func(*loop) { // the next turn adopts it, sweeps, and then serves it
			r.skip(0, 5)
			r.publish(0, 10)
			c = r.serve(ticket, joinOptions{})
		})
		r.awaitHerd(2)
		r.inLoop(func(l *loop) { // leaves the herd in the same turn in which that skips
			for _, s := range l.slots {
				if s.lag == nil && s.herd.conflation.fresh[s].number == 0 {
					l.leaveHerd(s, nil)
					l.makeReady(s)
				}
			}
			r.skip(0, 7)
			r.publish(0, 10)
		})
		r.awaitHerd(2)
		r.release()
		r.settleViews(member, c)
		for i, c := range []*client{member, c} {
			in, _ := r.inspect(c)
			if got := c.books(); got.received+got.skipped != 14 || in.PassedOver != 0 || got.skipped < 12 {
				t.Errorf("client %d received %d, skipped %d, and was passed over %d; want 14 events received or skipped, 12 at least", i, got.received, got.skipped, in.PassedOver)
			}
		}
	})
}
