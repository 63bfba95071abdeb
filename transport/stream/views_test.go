package stream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// views makes views of queries.
type views struct {
	t        testing.TB
	registry *view.Registry
	broker   *broker.Broker
}

func newViews(t testing.TB, b *broker.Broker) views {
	return views{t, view.NewRegistry(view.Options{}), b}
}

func (v views) of(query string) view.View {
	v.t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		v.t.Fatal(err)
	}
	got, unknown, err := v.registry.Parse(v.broker, func(yield func(k, v []byte) bool) {
		for k, list := range values {
			for _, v := range list {
				if !yield([]byte(k), []byte(v)) {
					return
				}
			}
		}
	})
	if err != nil || len(unknown) > 0 {
		v.t.Fatalf("view of %q: %v, unknown %v", query, err, unknown)
	}
	return got
}

// unchunked is the view for HTTP/1.0.
func unchunked(v view.View) view.View {
	v.Format.Unchunked = true
	return v
}

// queries are one of each kind of view, for events of the tests.
var queries = []string{
	"", "wire=ndjson", "wire=ws", "notices=event", "wire=ws&notices=event",
	"where=producer=0&where=number>=100", "where=number^=1&wire=ws", "where=size=20,21,22",
	"sample=0.5&by=number", "sample=0.5&wire=ndjson",
	"members=shard,producer,number,size,pad", "where=number>5&members=number,pad,shard,size,producer&wire=ws",
	"where=number=-1", "shards=1", "shards=0&wire=ndjson", "shards=1&where=size=33",
	"ids=1", "ids=1&wire=ws", "ids=1&where=number>=50&wire=ndjson",
	"max_delay=20ms", "max_delay=50ms&wire=ws", "max_delay=20ms&where=size>100&ids=1",
	"encoding=gzip", "encoding=gzip&wire=ndjson", "encoding=gzip&where=size>100", "encoding=gzip&ids=1&max_delay=50ms&members=shard,producer,number,size,pad",
	"encoding=gzip&shards=1&where=number=-1", "encoding=gzip&notices=event",
	"every=20ms&latest=size", "every=30ms&latest=number&wire=ndjson&ids=1", "every=20ms&latest=producer&where=number>10&wire=ws", "shards=1&every=50ms&latest=shard",
}

// settleViews waits until every client's books balance with what the pool says of it:
// received + skipped + passed over = published.
func (r *rig) settleViews(clients ...*client) {
	r.t.Helper()
	for i, c := range clients {
		eventually(r.t, func() string {
			in, ok := r.inspect(c)
			if !ok {
				return fmt.Sprintf("Inspect() lacks client %d", i)
			}
			got, want := c.books(), r.published(c.shards)-c.joined
			if got.wrong != "" {
				r.t.Fatalf("client %d (%s): %s", i, in.View.Canonical(), got.wrong)
			}
			if in.Lag == 0 && in.Herd && got.received == in.Delivered && got.skipped == in.Skipped && got.received+got.skipped+in.PassedOver == want {
				return ""
			}
			return fmt.Sprintf("client %d (%s): received %d, skipped %d of %d; Inspect() = %+v; ended %v",
				i, in.View.Canonical(), got.received, got.skipped, want, in, got.end)
		})
	}
}

// Consumers of every kind of view, healthy, slow and stalled, account for every event,
// and each gets what it asked for.
func TestEveryViewAccountsForEveryEvent(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 40 * time.Millisecond // so that notices stand between events
		o.Stall = time.Hour                 // however slow the machine
		r := newRig(t, tiny(2), o)
		v := newViews(t, r.broker)
		var all, stalled []*client
		for i, query := range queries {
			for _, j := range []joinOptions{{}, {buffer: 16 << 10, chunk: 3000}, {buffer: 16 << 10, stalled: true}} {
				j.view = v.of(query)
				if i%2 == 0 && j.view.Format.Kind != wire.WebSocket {
					j.view = unchunked(j.view)
				}
				j.shards = j.view.Shards
				c := r.join(j)
				all = append(all, c)
				if j.stalled {
					stalled = append(stalled, c)
				}
			}
		}
		r.publishAll(1500)
		for _, c := range stalled {
			c.resume()
		}
		r.publishAll(300)
		r.settleViews(all...)
		var delivered, skipped, passedOver, notices uint64
		for i, c := range all {
			in, _ := r.inspect(c)
			delivered, skipped, passedOver = delivered+in.Delivered, skipped+in.Skipped, passedOver+in.PassedOver
			if in.View.Select == nil && in.View.Pace.Every == 0 && in.PassedOver != 0 {
				t.Errorf("client %d (%s) was passed over %d events; want 0", i, in.View.Canonical(), in.PassedOver)
			}
			if got := c.books(); c.format.Notices && got.noticed != got.skipped {
				t.Errorf("client %d: notices of %d skipped; want %d", i, got.noticed, got.skipped)
			} else if c.format.Notices {
				notices += got.noticed
			}
		}
		st := r.pool.Stats()
		if st.Delivered != delivered || st.Skipped != skipped || st.PassedOver != passedOver || st.Latency.Count != delivered {
			t.Errorf("Stats() = delivered %d, skipped %d, passed over %d, latencies %d; want %d, %d, %d, %d",
				st.Delivered, st.Skipped, st.PassedOver, st.Latency.Count, delivered, skipped, passedOver, delivered)
		}
		if notices == 0 || passedOver == 0 || skipped == 0 {
			t.Errorf("notices %d, passed over %d, skipped %d; want the test to have some of each", notices, passedOver, skipped)
		}
		for kind, w := range st.Wires {
			if w.Consumers == 0 || w.Delivered == 0 || w.Bytes == 0 {
				t.Errorf("Stats().Wires[%v] = %+v; want some of each", wire.Kind(kind), w)
			}
		}
	})
}

// With everything retained and nobody slow, each gets exactly the events that pass.
func TestConsumerGetsWhatItSelects(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		v := newViews(t, r.broker)
		clients := map[string]*client{}
		want := map[string]uint64{"": 1000, "where=number=500": 1, "where=number=501&wire=ws": 1, "where=number>=990": 10,
			"where=number<100&where=number>=50&wire=ndjson": 50, "where=nothing": 0, "where=number=1,2,3": 3}
		for query := range want {
			clients[query] = r.join(joinOptions{view: v.of(query)})
		}
		var all []*client
		for i := range 200 { // many distinct ones
			all = append(all, r.join(joinOptions{view: v.of(fmt.Sprintf("where=number=%d", i*5))}))
		}
		r.publishAll(1000)
		for query, c := range clients {
			r.settleViews(c)
			if got := c.books().received; got != want[query] {
				t.Errorf("%q: received %d; want %d", query, got, want[query])
			}
		}
		r.settleViews(all...)
		for i, c := range all {
			if got := c.books().received; got != 1 {
				t.Errorf("consumer of number %d received %d; want 1", i*5, got)
			}
		}
	})
}

// Consumers of many views come, lag and leave while events flow.
func TestViewsComeAndGo(t *testing.T) { eachEngine(t, viewsComeAndGo) }

// So it is where each turn matches an event only, or each pass a few.
func TestViewsComeAndGoInShortTurns(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.sweepTime, o.look = time.Nanosecond, 1
		viewsComeAndGo(t, o)
	})
}

func TestViewsComeAndGoInShortPasses(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.sweepTime, o.pass = time.Hour, 3
		viewsComeAndGo(t, o)
	})
}

func viewsComeAndGo(t *testing.T, o Options) {
	o.KeepAlive = 8 * time.Millisecond // so the clock ticks fast, and herds are soon forgotten
	r := newRig(t, tiny(2), o)
	v := newViews(t, r.broker)
	random := rand.New(rand.NewPCG(1, 7))
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		repeat(stop, func(i int) {
			r.publish(i%2, i%150)
			if i%32 == 0 {
				time.Sleep(time.Millisecond) // with 0.1 ms, those who come wait minutes for a processor under the race detector
			}
		})
	})
	var here []*client
	for i := range 300 {
		query := queries[random.IntN(len(queries))]
		if i%3 == 0 {
			query = fmt.Sprintf("where=number^=%d", random.IntN(100))
		}
		j := joinOptions{view: v.of(query)}
		j.shards = j.view.Shards
		if i%5 == 0 {
			j.buffer, j.chunk = 16<<10, 2000
		}
		here = append(here, r.join(j))
		if len(here) > 30 {
			k := random.IntN(len(here))
			here[k].conn.Close()
			if wrong := here[k].books().wrong; wrong != "" {
				t.Fatal(wrong)
			}
			here = append(here[:k], here[k+1:]...)
		}
	}
	close(stop)
	publishing.Wait()
	r.settleViews(here...)
	for _, c := range here {
		c.conn.Close()
	}
	eventually(t, func() (wrong string) {
		r.inLoop(func(l *loop) {
			if n := len(l.herds) + len(l.live.herds) + len(l.holding.herds) + len(l.keys) + len(l.conflated) + len(l.packed) + l.live.matcher.Len() + l.holding.matcher.Len() + r.pool.Stats().Views; n > 0 {
				wrong = fmt.Sprintf("%d herds and views; want none", n)
			}
		})
		return wrong
	})
}

// An event is tried once for a selection, in however many formats it goes out.
func TestASelectionIsTriedOnceInAllFormats(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		v := newViews(t, r.broker)
		var all []*client
		for _, form := range []string{"", "&wire=ndjson", "&ids=1", "&wire=ndjson&ids=1", "&shards=0,1"} {
			asked, err := v.registry.Intern(v.of("where=number<5" + form))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r.join(joinOptions{view: asked}))
		}
		tried := func(want int) {
			t.Helper()
			eventually(t, func() (wrong string) {
				r.inLoop(func(l *loop) {
					if n := l.live.matcher.Len(); n != want {
						wrong = fmt.Sprintf("%d selections are tried; want %d", n, want)
					}
				})
				return wrong
			})
		}
		tried(1)
		r.publishAll(100)
		r.settleViews(all...)
		for i, c := range all {
			if got := c.books().received; got != 10 { // five in each shard
				t.Errorf("consumer %d received %d; want 10", i, got)
			}
			c.conn.Close()
		}
	})
}

func TestViewsHaveALimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(8), Options{Loops: 1, KeepAlive: -1, MaxViews: 3})
	var tickets []Ticket
	admit := func(v view.View) error {
		ticket, err := r.pool.Admit(v)
		if err == nil {
			tickets = append(tickets, ticket)
		}
		return err
	}
	for set := range broker.ShardSet(3) {
		if err := admit(view.View{Shards: set + 1}); err != nil {
			t.Fatalf("Admit(view %d) = %v; want nil", set, err)
		}
	}
	for _, tt := range []struct {
		view view.View
		want error
	}{
		{view.View{Shards: 4}, ErrViews},
		{view.View{Shards: 3}, nil},
		{view.View{Shards: r.broker.AllShards()}, nil},
		{view.View{Shards: r.broker.AllShards(), Format: wire.Format{Kind: wire.NDJSON}}, nil},
		{view.View{Shards: 3, Format: wire.Format{Kind: wire.NDJSON}}, ErrViews},
	} {
		if err := admit(tt.view); !errors.Is(err, tt.want) {
			t.Errorf("Admit(%+v) with 3 views = %v; want %v", tt.view, err, tt.want)
		}
	}
	for _, ticket := range tickets {
		ticket.Forget()
	}
	if st := r.pool.Stats(); st.Views != 0 || st.Consumers != 0 || st.Wires[wire.NDJSON].Consumers != 0 {
		t.Errorf("Stats() = %d views, %d consumers after all were forgotten; want none", st.Views, st.Consumers)
	}
	if err := admit(view.View{Shards: 4}); err != nil {
		t.Errorf("Admit() after all were forgotten = %v; want nil", err)
	}
	tickets[len(tickets)-1].Forget()
}

// A compressed consumer of all events, beside one that selects, is passed over none, also
// while a block closes in the middle of a batch, and however short the turns are.
func TestWhoSelectsNothingIsPassedOverNothing(t *testing.T) {
	t.Parallel()
	for _, short := range []time.Duration{0, time.Nanosecond} {
		r := newRig(t, roomy(1), Options{Loops: 1, KeepAlive: -1, sweepTime: short})
		v := newViews(t, r.broker)
		const events = 600
		packed := r.join(joinOptions{view: v.of("encoding=gzip&max_delay=50ms")})
		other := r.join(joinOptions{view: v.of("where=number=-1")})
		r.awaitHerd(2)
		r.inLoop(func(*loop) { // all at once
			for range events {
				r.publish(0, 100)
			}
		})
		last := uint64(0)
		eventually(t, func() string {
			all := r.pool.Stats().PassedOver
			in, _ := r.inspect(packed)
			if all < last || in.PassedOver > 0 {
				t.Fatalf("passed over: %d in all, then %d; %d of who gets all", last, all, in.PassedOver)
			}
			last = all
			if got := packed.books().received; got < events {
				return fmt.Sprintf("received %d of %d", got, events)
			}
			return ""
		})
		r.settleViews(packed, other)
		if got := r.pool.Stats().PassedOver; got != events {
			t.Errorf("%d are passed over; want the %d of who selects", got, events)
		}
	}
}
