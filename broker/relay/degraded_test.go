//go:build unix

package relay

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"event-dispatcher/broker"
	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// A switchyard is the way to one of two servers.
type switchyard struct {
	addr string
	mu   sync.Mutex
	to   string
	open []net.Conn
}

func newSwitchyard(t *testing.T, to string) *switchyard {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switchyard{addr: ln.Addr().String(), to: to}
	var all sync.WaitGroup
	copying := func(to, from net.Conn) {
		io.Copy(to, from)
		to.Close()
		from.Close()
	}
	all.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			far, err := net.Dial("tcp", s.to)
			if err != nil {
				near.Close()
			} else {
				s.open = append(s.open, near, far)
				all.Go(func() { copying(near, far) })
				all.Go(func() { copying(far, near) })
			}
			s.mu.Unlock()
		}
	})
	t.Cleanup(func() { ln.Close(); s.lead(to); all.Wait() })
	return s
}

// lead has all connections made again, to another server.
func (s *switchyard) lead(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = to
	for _, conn := range s.open {
		conn.Close()
	}
	s.open = nil
}

// Two instances talk to different servers, both of which are well: after a promotion,
// with one instance left at the old master, and neither server knows.
func TestInstancesAtDifferentServersAreDegraded(t *testing.T) {
	t.Parallel()
	for kind, servers := range map[string]func() (here, there, scheme string){
		"redis": func() (string, string, string) {
			return redistest.Start(t).Addr, redistest.Start(t).Addr, "redis://"
		},
		"nats": func() (string, string, string) { return natstest.Start(t).Addr, natstest.Start(t).Addr, "nats://" },
	} {
		t.Run("carrier="+kind, func(t *testing.T) {
			here, there, scheme := servers()
			way := newSwitchyard(t, here)
			a, b := newInstance(t, scheme+way.addr, Options{}, nil), newInstance(t, scheme+here, Options{}, nil)
			up(t, a, b)
			testkit.Eventually(t, "nobody is degraded", func() bool { return len(a.relay.Degraded())+len(b.relay.Degraded()) == 0 })
			way.lead(there)
			for _, i := range []*instance{a, b} {
				testkit.Eventually(t, "it is up and degraded", func() bool {
					return i.relay.Up() && slices.Equal(i.relay.Degraded(), []string{kind}) && i.relay.Stats().Silence > longSilence
				})
			}
			way.lead(here)
			testkit.Eventually(t, "nobody is degraded", func() bool { return len(a.relay.Degraded())+len(b.relay.Degraded()) == 0 })
		})
	}
}

// An instance that ends says so, and nobody waits for it.
func TestInstancesThatEndAreNotMissed(t *testing.T) {
	t.Parallel()
	overEach(t, func(t *testing.T, server engine) {
		a, b := newInstance(t, server.URL(), Options{}, nil), newInstance(t, server.URL(), Options{}, nil)
		up(t, a, b)
		b.relay.Close()
		testkit.Eventually(t, "the other is gone", func() bool { return a.relay.Stats().Origins == 0 })
		testkit.Eventually(t, "the silence is over", func() bool { return a.relay.Stats().Silence == 0 })
		if got := a.relay.Degraded(); got != nil {
			t.Errorf("Degraded() = %v after the other has ended; want none", got)
		}
	})
}

// A split publishes at one server and subscribes at another.
type split struct {
	Carrier
	to Carrier
}

func (s split) In(ctx context.Context, failed func(error)) (In, error) { return s.to.In(ctx, failed) }

// Each of its two connections is well, but it does not hear itself.
func TestInstanceThatNobodyHearsIsDegraded(t *testing.T) {
	t.Parallel()
	here, there := carrier(t, startRedis(t).URL()), carrier(t, startRedis(t).URL())
	for _, tt := range []struct {
		carrier Carrier
		want    []string
	}{{here, nil}, {split{here, there}, []string{"redis"}}} {
		b, err := broker.New(broker.Options{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		r := New(Options{Carrier: tt.carrier, Sink: &instance{broker: b}, Tick: b.Tick})
		testkit.Eventually(t, "it has heard itself, or would have", func() bool {
			return r.Up() && r.firehose.subscriber.hearsAll(longUnheard) && r.Stats().Firehose.Receivers != Unheard
		})
		if got := r.Degraded(); !slices.Equal(got, tt.want) {
			t.Errorf("Degraded() = %v with %d receivers; want %v", got, r.Stats().Firehose.Receivers, tt.want)
		}
		r.Close()
	}
}
