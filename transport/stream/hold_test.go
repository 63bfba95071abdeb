package stream

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

// Of many conflated views a turn holds back what it may read, and goes on in the next one: who
// takes events as they come is ahead of them, and nobody loses any.
func TestManyConflatedViewsHoldUpNobody(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour // however slow the machine
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		plain := r.join(joinOptions{})
		all := []*client{plain}
		const herds, events, size = 40, 30, 15 << 10
		for i := range herds {
			query := fmt.Sprintf("every=%dms&latest=number&members=shard,producer,number,size,pad", 3600_000-i)
			if i%2 > 0 {
				query += "&where=shard=0"
			}
			all = append(all, r.join(joinOptions{view: v.of(query)}))
		}
		r.awaitHerd(len(all))
		r.inLoop(func(l *loop) {
			for range events {
				r.publish(0, size)
			}
			for l.live.pending(l.broker) {
				l.sweep(&l.live, time.Now(), time.Now())
			}
			most := 1 + holdBytes/(herds*size)
			if held, more := l.sweepHolding(time.Now()); held == 0 || held > most || !more {
				t.Errorf("a turn holds back %d events for %d herds, and there are more: %v; want some, %d at most, and true", held, herds, more, most)
			}
		})
		r.wantSwept()
		r.release()
		r.settleViews(all...)
		for i, c := range all {
			if got := c.books(); got.received != events || got.skipped != 0 {
				t.Errorf("client %d received %d events and skipped %d; want %d and 0", i, got.received, got.skipped, events)
			}
		}
	})
}

// However many views conflate by a member, its value is read once in an event.
func TestViewsThatConflateByTheSameMemberShareItsKey(t *testing.T) {
	r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1})
	v := newViews(t, r.broker)
	queries := []string{"every=1h&latest=value", "every=2m&latest=value", `every=3m&latest=\value&where=number>=0`, "every=4m&latest=number"}
	for _, query := range queries {
		r.join(joinOptions{view: v.of(query)})
	}
	r.awaitHerd(len(queries))
	r.inLoop(func(l *loop) {
		if len(l.keys) != 2 || l.keys["value"].herds != 3 {
			t.Errorf("keys of %d members, one of them for %d herds; want 2, and 3", len(l.keys), l.keys["value"].herds)
		}
		event := []byte(`{"value":"a","number":1}`)
		l.heldEvents++
		read := 0
		for _, h := range l.conflated {
			key, n := l.keyFor(h.conflation, event)
			read += n
			if want := l.keyOf(h.conflation.path, event); key != want {
				t.Errorf("the key by %s is %x; want %x", h.conflation.path, key, want)
			}
		}
		if want := 2 * len(event); read != want {
			t.Errorf("%d bytes read for the keys of %d herds; want %d", read, len(l.conflated), want)
		}
	})
}

// A shard with much to hold back does not keep the others' conflated views from theirs.
func TestShardsTakeTurnsAtBeingHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, broker.Options{Shards: 2, Bytes: 64 << 20, MaxEvent: 300 << 10}, Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
	v := newViews(t, r.broker)
	r.join(joinOptions{shards: 0b01, view: v.of("every=1h&latest=number")})
	r.join(joinOptions{shards: 0b10, view: v.of("every=1h&latest=number")})
	r.awaitHerd(2)
	r.inLoop(func(l *loop) {
		for range 3 * holdBytes / (100 << 10) {
			r.publish(0, 100<<10)
		}
		r.publish(1, 10)
		for range 2 {
			l.turn++
			l.sweepHolding(time.Now())
		}
		if f := &l.holding.fronts[1]; f.cursor.Behind(r.broker.HeadOf(1)) != 0 {
			t.Errorf("after two turns the other shard is %d events behind; want 0", f.cursor.Behind(r.broker.HeadOf(1)))
		}
		if f := &l.holding.fronts[0]; f.cursor.Behind(r.broker.HeadOf(0)) == 0 {
			t.Error("two turns held back all; want more than they may")
		}
	})
}

// One large event for many conflated views is as much as many events for one.
func TestATurnEndsInTheMiddleOfAnEvent(t *testing.T) {
	t.Parallel()
	const views, size = 40, 250 << 10
	r := newRig(t, broker.Options{Shards: 1, Bytes: 64 << 20, MaxEvent: 300 << 10}, Options{Loops: 1, KeepAlive: -1, Stall: time.Hour})
	v := newViews(t, r.broker)
	for i := range views {
		r.join(joinOptions{view: v.of(fmt.Sprintf("every=1h&latest=m%d", i))})
	}
	r.awaitHerd(views)
	r.inLoop(func(l *loop) {
		have := func() (n int) {
			for _, h := range l.conflated {
				n += len(h.conflation.held)
			}
			return n
		}
		r.publish(0, size)
		l.turn++
		_, more := l.sweepHolding(time.Now())
		if n := have(); n == 0 || n > 1+holdBytes/size || !more || !l.holding.behind(r.broker) {
			t.Errorf("after a turn %d of %d views have the event, more is %v, behind %v; want %d at most, and true", n, views, more, l.holding.behind(r.broker), 1+holdBytes/size)
		}
		for turn := 0; more && turn < views; turn++ {
			l.turn++
			_, more = l.sweepHolding(time.Now())
		}
		if n := have(); n != views || l.holding.behind(r.broker) || l.holding.offer.json != nil {
			t.Errorf("in the end %d of %d views have the event, behind %v, %d bytes of it are kept; want all, false, 0", n, views, l.holding.behind(r.broker), len(l.holding.offer.json))
		}
	})
}

// handed is a stream of a test, and what it asked for.
type handed struct {
	*client
	j joinOptions
}

// matching is how many of the events of each shard, from one place on up to another, a view selects.
func matching(v view.View, events [][][]byte, from, to map[int]uint64) (n uint64) {
	for shard, start := range from {
		for _, json := range events[shard][start:to[shard]] {
			if v.Select == nil || v.Select.Match(json) {
				n++
			}
		}
	}
	return n
}

// A turn may end when some of the herds have an event and others do not. Whoever comes, leaves,
// lags, resumes or is lapped then, and whatever is let go then: each stream gets what it selects
// once, and what it was passed over is exact at each moment.
func TestHerdsAreHandedAnEventInManyTurns(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		for _, tt := range []struct {
			name   string
			broker broker.Options
			room   int // for what is held; then herds let go of each event at once
		}{{"all is retained", roomy(3), 0}, {"little is retained", tiny(3), 0}, {"little is held", roomy(3), 32 << 10}} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				o := o
				o.sweepTime, o.look = time.Nanosecond, 1 // one herd a turn
				o.Stall = time.Hour                      // however slow the machine
				o.LagBytes = tt.room
				handsOutInManyTurns(t, newRig(t, tt.broker, o), tt.name == "little is retained", tt.room == 0)
			})
		}
	})
}

func handsOutInManyTurns(t *testing.T, r *rig, laps, slow bool) {
	v, random := newViews(t, r.broker), rand.New(rand.NewPCG(11, 3))
	var views []view.View
	for i, form := range []string{"", "&ids=1", "&wire=ws", "&ids=1&wire=ndjson", "&shards=1", "&shards=0,2&ids=1"} {
		for k, where := range []string{"", "", "&where=shard=1", "&where=number>=30&sample=0.5&by=number", "&where=number=-1"} {
			views = append(views, v.of(fmt.Sprintf("every=%dms&latest=value&members=shard,producer,number,size,pad%s%s", 3600_000-10*i-k, form, where)))
		}
	}
	events := make([][][]byte, len(r.shards)) // by shard and sequence
	publish := func(shard int) {
		value := fmt.Sprintf("%d.%d", shard, len(events[shard])) // so that nothing is superseded
		events[shard] = append(events[shard], fmt.Appendf(nil, `{"shard":%d,"number":%d,"value":"%s"}`, shard, len(events[shard]), value))
		r.publishValue(shard, value)
	}
	var here []handed
	join := func(k int) {
		j := joinOptions{view: views[k], shards: views[k].Shards}
		if slow && random.IntN(6) == 0 {
			j.buffer, j.chunk = 16<<10, 3000
		}
		here = append(here, handed{r.join(j), j})
	}
	for k := range 2 * len(views) {
		join(k % len(views))
	}
	r.awaitHerd(len(here))
	// In the middle of an event, too, everybody was passed over what it does not select of what is
	// before its place, and nothing else.
	check := func(l *loop) {
		heads, streams := l.broker.Head(l.broker.AllShards()), map[netip.AddrPort]handed{}
		for _, c := range here {
			streams[c.conn.LocalAddr().(*net.TCPAddr).AddrPort()] = c
		}
		for _, c := range l.slots {
			if c == nil || streams[c.addr].client == nil {
				continue
			}
			cursors, at, passed := c.herd.cursors(), map[int]uint64{}, -c.joined
			if c.lag != nil {
				cursors = c.lag.cursors
			}
			for i, shard := range c.want.shards {
				at[shard] = cursors[i].Sequence()
				passed += at[shard]
			}
			in, least, most := c.info(heads), uint64(0), passed // of who was lapped it is not known
			switch {
			case c.want.view.Select == nil:
				most = 0
			case c.skipped == 0:
				most -= matching(c.want.view, events, streams[c.addr].first, at)
				least = most
			}
			if in.PassedOver < least || in.PassedOver > most {
				t.Errorf("%s: Inspect() = %+v; want %d to %d passed over of %d", c.want.view.Canonical(), in, least, most, passed)
			}
		}
	}
	middle, lapped, last := 0, 0, uint64(0)
	for step := range 200 {
		r.inLoop(func(l *loop) {
			for range random.IntN(3) {
				publish(random.IntN(len(r.shards)))
			}
			for range random.IntN(12) {
				l.turn++
				l.sweepHolding(time.Now())
			}
			o := &l.holding.offer
			if len(o.herds) > 0 {
				middle++
			}
			check(l)
			switch k := random.IntN(len(here)); random.IntN(8) {
			case 0, 1:
				join(random.IntN(len(views)))
			case 2:
				here[k].conn.Close()
				here = slices.Delete(here, k, k+1)
			case 3: // all of a view, so that its herd is forgotten
				gone := here[k].j.view
				here = slices.DeleteFunc(here, func(c handed) bool {
					if c.j.view == gone {
						c.conn.Close()
					}
					return c.j.view == gone
				})
			case 4:
				for _, h := range l.conflated {
					if random.IntN(2) == 0 {
						l.giveShares(h, time.Now())
					}
				}
			case 5:
				if laps && len(o.herds) > 0 && step%2 == 0 {
					lapped++
					for range 1000 { // the event is overwritten
						publish(o.shard)
					}
				}
			}
			check(l)
			if over := l.stats.passedOver.Load() + l.over; over < last || over > 1<<40 {
				t.Errorf("%d passed over in all, %d before; want as many at least, and what can be", over, last)
			} else {
				last = over
			}
		})
		if t.Failed() {
			return
		}
		for len(here) < len(views) {
			join(random.IntN(len(views)))
		}
		if len(here[0].books().ids) > 0 && random.IntN(4) == 0 { // one comes back
			c := here[0]
			c.conn.Close()
			<-c.done
			again := r.resume(c.client, c.j)
			if got := c.books(); got.wrong != "" {
				t.Fatal(got.wrong)
			} else if want := matching(c.j.view, events, c.first, again.first); got.skipped == 0 && c.atID != want {
				t.Errorf("%s: %d events up to id %s, of a stream from %v; want %d", c.j.view.Canonical(), c.atID, got.ids[len(got.ids)-1], c.first, want)
			}
			here = append(here[1:], handed{again, c.j})
		}
	}
	r.wantSwept()
	r.release()
	var all []*client
	for _, c := range here {
		all = append(all, c.client)
	}
	r.settleViews(all...)
	for _, c := range here {
		if in, _ := r.inspect(c.client); c.j.view.Select == nil && in.PassedOver != 0 {
			t.Errorf("%s: Inspect() = %+v; want none passed over", c.j.view.Canonical(), in)
		}
	}
	r.held()
	drained := make(chan struct{})
	r.inLoop(func(l *loop) { // a drain that begins in the middle of an event ends nobody before it
		publish(1)
		l.sweepHolding(time.Now())
		go func() {
			r.drain(0, 0)
			close(drained)
		}()
		for ordered := false; !ordered; time.Sleep(time.Millisecond) {
			l.mailbox.Lock()
			ordered = len(l.mailbox.orders) > 0
			l.mailbox.Unlock()
		}
	})
	<-drained
	ends, full := map[int]uint64{}, 0
	for shard := range events {
		ends[shard] = uint64(len(events[shard]))
	}
	for _, c := range here {
		c.wantEnd(t)
		got, want := c.books(), matching(c.j.view, events, c.first, ends)
		if got.skipped == 0 {
			full++
		}
		if got.skipped == 0 && got.received != want || c.j.view.Select == nil && got.received+got.skipped != want || got.received > want {
			t.Errorf("%s: received %d and skipped %d of a stream from %v; want %d in all", c.j.view.Canonical(), got.received, got.skipped, c.first, want)
		}
	}
	if middle < 30 || laps && lapped == 0 || full == 0 {
		t.Errorf("%d times in the middle of an event, lapped %d times, %d of %d missed nothing; want some of each", middle, lapped, full, len(here))
	}
}
