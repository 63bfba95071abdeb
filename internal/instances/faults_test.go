//go:build unix

package instances

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"event-dispatcher/internal/redistest"
)

// outage is what the faults of Redis have in common: two instances, a consumer at
// each, and events published at the first.
type outage struct {
	t         *testing.T
	server    *redistest.Server
	a, b      *instance
	near, far *stream
	published int
}

func newOutage(t *testing.T, args ...string) *outage {
	o := &outage{t: t, server: redistest.Start(t)}
	// A small outbox, so that little is enough to fill it.
	all := startAll(t, 2, o.server.URL(), append([]string{"-max-body", "16384", "-redis-outbox-bytes", "1"}, args...)...)
	o.a, o.b = all[0], all[1]
	o.near, o.far = o.a.listen(false), o.b.listen(false)
	return o
}

func (o *outage) publish(n int) {
	o.t.Helper()
	for range n {
		o.published++
		o.a.publish(o.published)
	}
}

// away waits until both instances say that they are degraded, and still ready.
func (o *outage) away() {
	o.t.Helper()
	for _, i := range []*instance{o.a, o.b} {
		eventually(o.t, "degraded", func() bool {
			status, body := i.get("/readyz")
			if status != 200 {
				o.t.Fatalf("GET /readyz = %d %s; want 200 while Redis is away", status, body)
			}
			return strings.Contains(body, `"degraded":["redis"]`)
		})
	}
}

// settled waits until Redis is back, publishes once more, and closes the books.
func (o *outage) settled() (dropped float64) {
	o.t.Helper()
	together(o.t, o.a, o.b)
	o.publish(1)
	o.near.wantBooks(o.published)
	if _, skipped := o.near.books(); skipped != 0 {
		o.t.Errorf("the origin's own consumer skipped %d; want 0", skipped)
	}
	o.far.wantBooks(o.published)
	dropped = o.a.sum("dispatcher_relay_dropped_events_total", `events="firehose"`)
	gaps := o.b.metric(`dispatcher_relay_gap_events_total{reason="lost"}`)
	received, skipped := o.far.books()
	o.t.Logf("published %d, received %d, skipped %d, dropped %v, gaps %v", o.published, received, skipped, dropped, gaps)
	if float64(skipped) != gaps {
		o.t.Errorf("the consumer was told of %d skipped, gaps counted %v; want the same", skipped, gaps)
	}
	for _, i := range []*instance{o.a, o.b} {
		if status, body := i.get("/readyz"); status != 200 || strings.Contains(body, "degraded") {
			o.t.Errorf("GET /readyz = %d %s; want ready", status, body)
		}
	}
	return dropped
}

func TestFault10RedisStopsAndGoesOn(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.publish(100)
	o.far.wantBooks(100)
	o.server.Stop()
	o.publish(4000) // the outbox takes a few hundred
	o.near.wantBooks(o.published)
	o.away()
	o.server.Continue()
	dropped := o.settled()
	if _, skipped := o.far.books(); dropped == 0 || float64(skipped) != dropped {
		t.Errorf("skipped %d, dropped %v; want the same, not 0", skipped, dropped)
	}
}

func TestFault11RedisIsKilledAndRestarted(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.publish(500)
	o.server.Kill()
	o.publish(2000)
	o.near.wantBooks(o.published)
	o.away()
	o.publish(500)
	o.server.Restart()
	o.settled()
}

func TestFault12SubscribersAreKickedAgainAndAgain(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	for range 5 {
		before := o.b.metric(`dispatcher_relay_subscriptions_total{events="firehose"}`)
		o.publish(200)
		o.server.Do("CLIENT", "KILL", "TYPE", "pubsub")
		o.publish(200)
		eventually(t, "subscribed again", func() bool {
			return o.b.metric(`dispatcher_relay_subscriptions_total{events="firehose"}`) > before
		})
	}
	o.settled()
}

func TestFault13PartitionedInstancesServeTheirOwn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	wire := newCable(t, server.Addr)
	a := start(t, "-redis", server.URL())
	b := start(t, "-redis", "redis://"+wire.addr)
	together(t, a, b)
	atA, atB := a.listen(true), b.listen(true)
	a.publish(1)
	b.publish(2)
	atA.wantBooks(2)
	atB.wantBooks(2)
	wire.cut()
	eventually(t, "degraded", func() bool { _, body := b.get("/readyz"); return strings.Contains(body, "redis") })
	for n := range 50 {
		a.publish(100 + n)
		b.publish(200 + n)
	}
	atA.wantBooks(52) // its own
	atB.wantBooks(52)
	wire.mend()
	together(t, a, b)
	a.publish(300)
	b.publish(301)
	atA.wantBooks(104)
	atB.wantBooks(104) // none twice; what b did not hear is told
}

func TestFault14TermUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL(), "-drain-window", "1s")
	a, b := all[0], all[1]
	const consumers = 100
	var atA, atB []*stream
	for range consumers {
		atA = append(atA, a.listen(true))
	}
	atB = append(atB, b.listen(true))
	var screens []*socket
	for k := range 20 {
		screens = append(screens, a.dial(fmt.Sprintf("/ws/p/u%d", k)))
	}
	firehose := a.dial("/event-dispatcher")

	var accepted, next atomic.Int64
	var players sync.WaitGroup
	for range 8 {
		players.Go(func() {
			for {
				status, _, err := a.post("/metrics", numbered(int(next.Add(1))))
				if status == 200 {
					accepted.Add(1)
				}
				if err != nil || status != 200 {
					return // closed, or refused for draining
				}
			}
		})
	}
	eventually(t, "there is load", func() bool { return accepted.Load() > 500 })
	if code := a.exits(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d; want 0", code)
	}
	players.Wait()
	for _, s := range atA {
		<-s.done
		s.mu.Lock()
		retry, err := s.retry, s.err
		s.mu.Unlock()
		if !retry || err != io.EOF {
			t.Errorf("a stream ended with retry %v and %v; want true and a clean end", retry, err)
		}
	}
	// An answer may be lost on its way to a player, its event is not: what
	// consumers got may be a few more than what players know of.
	sure := int(accepted.Load())
	for _, s := range append(atA, atB...) {
		eventually(t, "everything accepted arrived", func() bool { r, _ := s.books(); return r >= sure })
		r, skipped := s.books()
		if r > sure+8 || skipped != 0 {
			t.Errorf("received %d of %d accepted, skipped %d; want all and none", r, sure, skipped)
		}
	}
	for _, s := range screens {
		s.wantClose(1001)
	}
	firehose.wantClose(1001)
	if n := firehose.events.Load(); n < int64(sure) {
		t.Errorf("the WebSocket stream got %d of %d", n, sure)
	}
}

func TestFault15KillLeavesNoGapUntold(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL())
	a, b := all[0], all[1]
	far := b.listen(false)
	var sent atomic.Int64
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for n := 1; ; n++ {
			if status, _, err := a.post("/metrics", numbered(n)); err != nil || status != 200 {
				return
			}
			sent.Store(int64(n))
		}
	}()
	eventually(t, "events flow", func() bool { r, _ := far.books(); return r > 500 })
	a.exits(syscall.SIGKILL)
	<-stop
	b.publish(1 << 30) // the last one, whatever came before
	eventually(t, "the other goes on", func() bool { far.mu.Lock(); defer far.mu.Unlock(); return far.last == 1<<30 })
	far.mu.Lock()
	defer far.mu.Unlock()
	// What came from a is its beginning, without a hole: a consumer that saw n
	// events of a saw its first n. What a had not yet sent died with it.
	if far.wrong != 0 || far.skipped != 0 || far.received-1 > int(sent.Load())+1 {
		t.Errorf("received %d of about %d, %d wrong, %d skipped; want a prefix", far.received-1, sent.Load(), far.wrong, far.skipped)
	}
}

// Three instances, all of them publishing.
func TestEveryConsumerOfThreeInstancesGetsEverything(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 3, server.URL())
	var streams []*stream
	for _, i := range all {
		streams = append(streams, i.listen(true))
	}
	const each = 1000
	var players sync.WaitGroup
	for k, i := range all {
		players.Go(func() {
			for n := range each {
				if status, _, err := i.post("/metrics", numbered(k*each+n+1)); status != 200 {
					t.Errorf("POST = %d, %v; want 200", status, err)
				}
			}
		})
	}
	players.Wait()
	for _, s := range streams {
		s.wantBooks(3 * each)
		if _, skipped := s.books(); skipped != 0 {
			t.Errorf("skipped %d; want 0", skipped)
		}
	}
}

func TestRedisThatComesLateIsFound(t *testing.T) {
	t.Parallel()
	addr := redistest.FreeAddr(t)
	a, b := start(t, "-redis", "redis://"+addr), start(t, "-redis", "redis://"+addr)
	near := a.listen(false)
	a.publish(1)
	near.wantBooks(1)
	if status, body := a.get("/readyz"); status != 200 || !strings.Contains(body, `"degraded":["redis"]`) {
		t.Errorf("GET /readyz = %d %s; want 200 and degraded", status, body)
	}
	redistest.StartAt(t, addr)
	together(t, a, b)
	far := b.listen(false)
	a.publish(2)
	far.wantBooks(1)
}

// A cable is a TCP proxy that can be cut: nothing passes, and nothing is closed.
type cable struct {
	addr string
	mu   sync.Mutex
	open sync.Cond
	dead bool
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: ln.Addr().String()}
	c.open.L = &c.mu
	t.Cleanup(func() { ln.Close(); c.mend() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			go c.copy(in, out)
			go c.copy(out, in)
		}
	}()
	return c
}

func (c *cable) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	p := make([]byte, 64<<10)
	for {
		n, err := src.Read(p)
		c.mu.Lock()
		for c.dead {
			c.open.Wait()
		}
		c.mu.Unlock()
		if _, e := dst.Write(p[:n]); err != nil || e != nil {
			return
		}
	}
}

func (c *cable) cut()  { c.set(true) }
func (c *cable) mend() { c.set(false) }

func (c *cable) set(dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = dead
	c.open.Broadcast()
}
