package stream

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// However many consumers stall, each with a view of its own, where little may be kept: one
// that reads is not closed for them, and gets every event.
func TestConsumerThatReadsIsNotClosedForThoseThatStall(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const rounds, stalled = 4, 12
		o.Stall, o.hardPressed, o.LagBytes = time.Hour, time.Hour, 2<<20
		r := newRig(t, spacious(1), o)
		v := newViews(t, r.broker)
		for round := range rounds {
			for i := range stalled {
				view := v.of(fmt.Sprintf("members=shard,producer,number,size,pad,x%d", round*stalled+i))
				r.wantHerd(r.join(joinOptions{view: view, buffer: 16 << 10, stalled: true}), true)
			}
			r.publish(0, largeEvent)
			r.wantNobodyUpToDate()
			r.inLoop(func(l *loop) { // a second passes
				for _, c := range l.slots {
					if c != nil {
						c.lag.lent = c.lag.lent.Add(-stalls)
					}
				}
			})
			reads := r.join(joinOptions{buffer: 16 << 10})
			r.wantHerd(reads, true)
			r.publish(0, largeEvent)
			r.settle(reads)
			r.wantKept(largeEvent, int64(o.LagBytes))
			if got := reads.books(); got.received != 1 || got.skipped != 0 {
				t.Errorf("round %d: received %d, skipped %d; want 1, 0", round, got.received, got.skipped)
			}
			reads.conn.Close()
		}
		if st := r.pool.Stats(); st.Closed[ReasonMemory] == 0 {
			t.Errorf("closed %v; want some for memory", st.Closed)
		}
	})
}

// However many views have a large event of their own in the same turn: those who take it as it
// is share one more, and all others of a view for which there is no room are closed.
func TestEventsAsTheyAreHaveRoomBesideViews(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const room, views, each, plain = 2, 4, 3, 3
		o.Stall, o.hardPressed, o.LagBytes = time.Hour, time.Hour, room*(largeEvent+1<<10)
		r := newRig(t, spacious(1), o)
		v := newViews(t, r.broker)
		for i := range views {
			for range each {
				r.wantHerd(r.join(joinOptions{view: v.of(fmt.Sprintf("wire=ndjson&where=number!=%d", 1e6+i)), buffer: 16 << 10, stalled: true}), true)
			}
		}
		var all []*client
		for range plain {
			c := r.join(joinOptions{buffer: 16 << 10, stalled: true})
			r.wantHerd(c, true)
			all = append(all, c)
		}
		r.publish(0, largeEvent)
		r.wantNobodyUpToDate()
		if got := r.pool.Stats().Closed[ReasonMemory]; got < (views-room)*each {
			t.Errorf("%d are closed for memory; want those of %d views at least", got, views-room)
		}
		r.wantKept(largeEvent, (room+1)*(largeEvent+1<<10))
		for _, c := range all {
			c.resume()
		}
		r.settle(all...)
		for _, c := range all {
			if got := c.books(); got.received != 1 || got.skipped != 0 {
				t.Errorf("received %d, skipped %d; want 1, 0", got.received, got.skipped)
			}
		}
	})
}

// wantNobodyUpToDate waits until every consumer has fallen behind, or is closed.
func (r *rig) wantNobodyUpToDate() {
	r.t.Helper()
	eventually(r.t, func() string {
		if st := r.pool.Stats(); st.Lagging != st.Consumers {
			return fmt.Sprintf("%d of %d consumers lag; want all", st.Lagging, st.Consumers)
		}
		return ""
	})
}

// For room for one who falls behind now, nobody is closed who gets on with what it has, or
// fell behind in the same turn. The times are made up.
func TestNobodyWhoMayBeWellIsClosedForAnother(t *testing.T) {
	for _, tt := range []struct {
		name   string
		took   time.Duration // bytes, last: so long after it had its piece
		before uint64        // so many turns
		stays  bool
	}{
		{"gets on", settles + 1, 1, true},
		{"its kernel had room", settles, 1, false},
		{"the same turn", 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, spacious(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
			v := newViews(t, r.broker)
			for _, query := range []string{"", "members=shard,producer,number,size,pad"} {
				r.wantHerd(r.join(joinOptions{view: v.of(query), buffer: 16 << 10, stalled: true}), true)
			}
			r.publish(0, largeEvent)
			r.wantLagging(2)
			r.inLoop(func(l *loop) {
				had, now := l.slots[0], l.slots[1]
				had.lag.lent, had.lag.turn = time.Now().Add(time.Hour), l.turn-tt.before // not long ago
				had.lag.progress = had.lag.lent.Add(tt.took)
				l.keepMost = l.stats.kept.Load() - 1
				l.relieve(now, l.keepMost)
				if (l.slots[0] != nil) != tt.stays || (l.slots[1] != nil) == tt.stays {
					t.Errorf("there are who had a piece: %v, who got one: %v; want %v, %v", l.slots[0] != nil, l.slots[1] != nil, tt.stays, !tt.stays)
				}
			})
		})
	}
}

// To find who stalls takes long where many do, so that some more of them go than must; of those
// who may be well, no more.
func TestWhereConsumersStallThereIsRoomToSpare(t *testing.T) {
	const views = 33
	for _, tt := range []struct {
		name string
		kept time.Duration // for so long
		goes int
	}{
		{"they stall", 2 * stalls, 1 + 2}, // a sixteenth of 32 pieces, and what is beyond the bound
		{"they may be well", -time.Hour, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, spacious(1), Options{Loops: 1, KeepAlive: -1, Stall: time.Hour, hardPressed: time.Hour})
			v := newViews(t, r.broker)
			for i := range views {
				r.wantHerd(r.join(joinOptions{view: v.of(fmt.Sprintf("wire=ndjson&where=number!=%d", 1e6+i)), buffer: 16 << 10, stalled: true}), true)
			}
			r.publish(0, largeEvent)
			r.wantLagging(views)
			r.inLoop(func(l *loop) {
				for _, c := range l.slots {
					c.lag.lent, c.lag.turn = time.Now().Add(-tt.kept), l.turn-1
					c.lag.progress = c.lag.lent
				}
				one := l.stats.kept.Load() / views
				l.relieve(l.slots[views-1], (views-1)*one)
				if gone := len(l.free); gone != tt.goes {
					t.Errorf("%d are closed for one piece too many; want %d", gone, tt.goes)
				}
			})
		})
	}
}

// Those go first that stall for long; who may be well goes the later the more it shares its
// piece, the later the turn and the earlier in it that it fell behind.
func TestKeepersGoInOrder(t *testing.T) {
	start := time.Now()
	of := func(name uint64, stalls bool, weight float64, keepers int, turn uint64, lent time.Duration) keeper {
		return keeper{&consumer{id: name, lag: &lag{piece: &piece{keepers: keepers}, turn: turn, lent: start.Add(lent)}}, stalls, weight}
	}
	keepers := []keeper{
		of(6, false, 9, 9, 1, 0),
		of(5, false, 9, 1, 2, 3),
		of(4, false, 9, 1, 1, 1),
		of(2, true, 1, 1, 1, 1),
		of(3, false, 9, 1, 1, 2),
		of(1, true, 2, 1, 3, 4),
	}
	slices.SortFunc(keepers, keeper.before)
	for i, k := range keepers {
		if k.id != uint64(i+1) {
			t.Errorf("place %d: keeper %d; want %d", i, k.id, i+1)
		}
	}
}
