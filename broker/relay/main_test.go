//go:build unix

package relay

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/session"
	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"

	"go.uber.org/goleak"
)

// A cluster client refreshes its view of the cluster once more, a second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// An instance is a broker with a relay, as in one process of the product, and
// one consumer of each shard that keeps up.
type instance struct {
	broker *broker.Broker
	relay  *Relay

	// Counted by the consumers.
	received atomic.Uint64
	skipped  atomic.Uint64
	seen     []atomic.Uint64 // by shard: both
	onEvent  func(event []byte)

	mu       sync.Mutex
	sessions []session.Event
}

func (i *instance) Deliver(shard int, event []byte) error {
	return i.broker.Publish(shard, i.broker.Tick(time.Now()), event)
}

func (i *instance) Skip(shard int, n uint64) error { return i.broker.Skip(shard, n) }

func (i *instance) DeliverSession(e session.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sessions = append(i.sessions, e)
}

func (i *instance) sessionEvents() []session.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]session.Event(nil), i.sessions...)
}

// post does what the transport does with an accepted event.
// givenUp is how many events a lane has given up, for whatever reason.
func givenUp(l LaneStats) (n uint64) {
	for _, d := range l.Dropped {
		n += d
	}
	return n
}

func (i *instance) post(event []byte) { i.postTo(0, event) }

func (i *instance) postTo(shard int, event []byte) {
	at := i.broker.Tick(time.Now())
	if err := i.broker.Publish(shard, at, event); err != nil {
		panic(err)
	}
	i.relay.Offer(shard, at, event)
}

func carrier(t testing.TB, url string) Carrier {
	t.Helper()
	if strings.HasPrefix(url, "nats:") || strings.HasPrefix(url, "tls:") {
		c, err := ParseNATS(url)
		if err != nil {
			t.Fatal(err)
		}
		return OverNATS(c)
	}
	c, err := redis.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return OverRedis(c)
}

// An engine is a server of a carrier.
type engine interface {
	URL() string
	Stop()
	Continue()
	Kill()
	Restart()
}

// overEach runs a test with each carrier.
func overEach(t *testing.T, test func(*testing.T, engine)) {
	t.Run("carrier=redis", func(t *testing.T) { test(t, redistest.Start(t)) })
	t.Run("carrier=nats", func(t *testing.T) { test(t, natstest.Start(t)) })
}

// newInstance starts an instance; onEvent, which may be nil, sees each event
// that its consumer reads.
func newInstance(t testing.TB, url string, o Options, onEvent func([]byte)) *instance {
	t.Helper()
	b, err := broker.New(broker.Options{Shards: max(o.Shards, 1)})
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{broker: b, onEvent: onEvent, seen: make([]atomic.Uint64, b.Shards())}
	ctx, cancel := context.WithCancel(context.Background())
	var consuming sync.WaitGroup
	for shard := range i.seen {
		cursor := b.HeadOf(shard)
		consuming.Go(func() { i.consume(ctx, shard, cursor) })
	}

	o.Carrier, o.Sink, o.Tick = carrier(t, url), i, b.Tick
	if o.Carrier.Kind() == "redis" {
		o.Sessions = i
	}
	i.relay = New(o)
	t.Cleanup(func() {
		i.relay.Close()
		cancel()
		consuming.Wait()
	})
	return i
}

// consume reads until ctx is done.
func (i *instance) consume(ctx context.Context, shard int, cursor broker.Cursor) {
	sleeper, err := i.broker.Gate().NewSleeper()
	if err != nil {
		panic(err)
	}
	defer sleeper.Leave()
	var batch broker.Batch
	for ctx.Err() == nil {
		if !i.broker.Read(shard, &cursor, &batch, 1<<20) {
			select {
			case <-ctx.Done():
			case <-sleeper.News(func() bool { return i.broker.Pending(shard, cursor) }):
			}
			continue
		}
		i.skipped.Add(batch.Skipped)
		if i.onEvent != nil {
			for k := range batch.Events {
				i.onEvent(batch.Event(k))
			}
		}
		i.received.Add(uint64(batch.Events))
		i.seen[shard].Add(uint64(batch.Events) + batch.Skipped)
		batch.Release()
	}
}

// up waits until the instances hear each other.
func up(t testing.TB, instances ...*instance) {
	t.Helper()
	for _, i := range instances {
		testkit.Eventually(t, "relay up", func() bool {
			return i.hears() && i.relay.Stats().Origins >= len(instances)-1
		})
	}
}

// event is a JSON document of about the given size that carries a number.
func event(n uint64, size int) []byte {
	e := fmt.Appendf(nil, `{"n":%d,"pad":"`, n)
	if pad := size - len(e) - 2; pad > 0 {
		e = append(e, bytes.Repeat([]byte{'x'}, pad)...)
	}
	return append(e, `"}`...)
}

func numberOf(t testing.TB, e []byte) (n uint64) {
	if _, err := fmt.Sscanf(string(e), `{"n":%d,`, &n); err != nil {
		t.Errorf("event %.40q: %v", e, err)
	}
	return n
}

// An inOrder checks that events come in order and none twice.
type inOrder struct {
	t    testing.TB
	last atomic.Uint64
	bad  atomic.Uint64
}

func (o *inOrder) see(e []byte) {
	n := numberOf(o.t, e)
	if last := o.last.Swap(n); n <= last {
		o.bad.Add(1)
	}
}

func startRedis(t testing.TB, args ...string) *redistest.Server { return redistest.Start(t, args...) }
