package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/internal/testkit"
)

// eachEngine runs a claim against both engines. Where there is no epoll they are
// the same one.
func eachEngine(t *testing.T, claim func(t *testing.T, o Options)) {
	t.Parallel()
	for _, name := range []string{"loop", "portable"} {
		t.Run("engine="+name, func(t *testing.T) {
			t.Parallel()
			claim(t, Options{Portable: name == "portable", Loops: 1, KeepAlive: -1})
		})
	}
}

// tiny is a broker whose window holds about 20 KB per shard, less than what
// sockets take, so that consumers are lapped all the time.
func tiny(shards int) broker.Options {
	return broker.Options{Shards: shards, Bytes: shards * 40 << 10, MaxEvent: 256, Readers: 8}
}

// roomy is a broker that retains all that a test publishes.
func roomy(shards int) broker.Options {
	return broker.Options{Shards: shards, Bytes: shards * 8 << 20, MaxEvent: 16 << 10}
}

// patience is how long a test waits for what must happen.
const patience = testkit.Patience

// eventually polls until wrong returns "" and fails with what it said last.
func eventually(t testing.TB, wrong func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		say := wrong()
		if say == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(say)
		}
	}
}

// A rig is a broker, a pool and a listener, and the books of what was published.
type rig struct {
	t      testing.TB
	broker *broker.Broker
	pool   *Pool
	ln     net.Listener

	joining sync.Mutex // one connection at a time
	shards  []shardBooks
}

type shardBooks struct {
	sync.Mutex
	next  uint64 // sequence of the next event, if only the rig publishes
	frame []byte
}

func newRig(t testing.TB, bo broker.Options, o Options) *rig {
	t.Helper()
	b, err := broker.New(bo)
	if err != nil {
		t.Fatalf("broker.New(%+v) = %v; want nil", bo, err)
	}
	p, err := New(b, o)
	if err != nil {
		t.Fatalf("New(%+v) = %v; want nil", o, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, broker: b, pool: p, ln: ln, shards: make([]shardBooks, b.Shards())}
	t.Cleanup(func() {
		ln.Close()
		p.Drain(expired(), 0, 0)
		p.Close()
	})
	return r
}

// expired is a context whose time is up.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// drain drains the pool. It is to end by itself.
func (r *rig) drain(silence, window time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if r.pool.Drain(ctx, silence, window); ctx.Err() != nil {
		r.t.Errorf("Drain(%v, %v) took %v; want it to end by itself", silence, window, patience)
	}
}

// publish appends one event of about the given size, whose number is its
// sequence. It waits while no segment can be recycled.
func (r *rig) publish(shard, size int) {
	s := &r.shards[shard]
	s.Lock()
	defer s.Unlock()
	s.frame = appendFrame(s.frame[:0], event{shard: shard, number: s.next, size: size})
	r.put(shard, s.frame)
	s.next++
}

// publishFree is publish by a producer that does not know sequences.
func (r *rig) publishFree(shard, producer int, number uint64, size int) {
	r.put(shard, appendFrame(nil, event{shard: shard, producer: producer, number: number, size: size}))
}

func (r *rig) put(shard int, frame []byte) {
	for {
		err := r.broker.Publish(shard, r.broker.Tick(time.Now()), frame)
		if err == nil {
			return
		}
		if !errors.Is(err, broker.ErrExhausted) {
			panic(fmt.Sprintf("Publish(%d bytes) = %v", len(frame), err))
		}
	}
}

// skip leaves out n sequences.
func (r *rig) skip(shard int, n uint64) {
	s := &r.shards[shard]
	s.Lock()
	defer s.Unlock()
	if err := r.broker.Skip(shard, n); err != nil {
		r.t.Errorf("Skip(%d, %d) = %v; want nil", shard, n, err)
	}
	s.next += n
}

// published is how many events the shards of the set have had.
func (r *rig) published(set broker.ShardSet) (n uint64) {
	for _, c := range r.broker.Head(set) {
		n += c.Sequence()
	}
	return n
}

// keepPublishing publishes small events on so many shards until stop is closed, and
// returns what waits for the end of that.
func (r *rig) keepPublishing(shards int, stop <-chan struct{}) *sync.WaitGroup {
	var publishing sync.WaitGroup
	for shard := range shards {
		publishing.Go(func() {
			repeat(stop, func(i int) {
				r.publish(shard, i%100)
				time.Sleep(200 * time.Microsecond)
			})
		})
	}
	return &publishing
}

// repeat calls f with 0, 1, 2 and so on until stop is closed.
func repeat(stop <-chan struct{}, f func(i int)) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
			f(i)
		}
	}
}

// settle waits until every client has received, or was told it missed, all that
// was published since it joined.
func (r *rig) settle(clients ...*client) {
	r.t.Helper()
	for i, c := range clients {
		eventually(r.t, func() string {
			got, want := c.books(), r.published(c.shards)-c.joined
			if got.wrong != "" {
				r.t.Fatalf("client %d: %s", i, got.wrong)
			}
			if got.received+got.skipped == want {
				return ""
			}
			return fmt.Sprintf("client %d: received %d + skipped %d = %d; want %d (ended: %v)",
				i, got.received, got.skipped, got.received+got.skipped, want, got.end)
		})
	}
}

// wantBooksBalanced compares what the pool says of its consumers with what they saw.
// They must have settled.
func (r *rig) wantBooksBalanced(clients ...*client) {
	r.t.Helper()
	eventually(r.t, func() string {
		var delivered, skipped uint64
		for i, c := range clients {
			in, ok := r.inspect(c)
			if !ok {
				return fmt.Sprintf("Inspect() lacks client %d", i)
			}
			got := c.books()
			if in.Delivered != got.received || in.Skipped != got.skipped || in.Lag != 0 || !in.Herd {
				return fmt.Sprintf("Inspect() = %+v for client %d; want delivered %d, skipped %d, lag 0, up to date",
					in, i, got.received, got.skipped)
			}
			delivered += got.received
			skipped += got.skipped
		}
		st := r.pool.Stats()
		if st.Delivered != delivered || st.Skipped != skipped || st.Lagging != 0 || st.Consumers != int64(len(clients)) {
			return fmt.Sprintf("Stats() = delivered %d, skipped %d, lagging %d, consumers %d; want %d, %d, 0, %d",
				st.Delivered, st.Skipped, st.Lagging, st.Consumers, delivered, skipped, len(clients))
		}
		if st.Latency.Count != delivered {
			return fmt.Sprintf("Stats().Latency.Count = %d; want %d, all that was delivered", st.Latency.Count, delivered)
		}
		return ""
	})
}

// inspect is what the pool says of one client.
func (r *rig) inspect(c *client) (ConsumerInfo, bool) {
	want := c.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	for _, in := range r.pool.Inspect() {
		if in.Addr == want {
			return in, true
		}
	}
	return ConsumerInfo{}, false
}

// wantClosed waits until so many consumers have been closed for this reason.
func (r *rig) wantClosed(why Reason, want uint64) {
	r.t.Helper()
	eventually(r.t, func() string {
		if st := r.pool.Stats(); st.Closed[why] != want {
			return fmt.Sprintf("Stats().Closed[%v] = %d; want %d (all: %v)", why, st.Closed[why], want, st.Closed)
		}
		return ""
	})
}

// wantConsumers waits until there are so many.
func (r *rig) wantConsumers(want int) {
	r.t.Helper()
	eventually(r.t, func() string {
		if got := r.pool.Stats().Consumers; got != int64(want) {
			return fmt.Sprintf("Stats().Consumers = %d; want %d", got, want)
		}
		return ""
	})
}

// awaitHerd waits until all consumers of the rig are up to date.
func (r *rig) awaitHerd(consumers int) {
	r.t.Helper()
	eventually(r.t, func() string {
		members := 0
		r.inLoop(func(l *loop) {
			for _, h := range l.herds {
				members += len(h.members)
			}
		})
		if members != consumers {
			return "consumers do not join the herd"
		}
		return ""
	})
}
