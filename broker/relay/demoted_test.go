//go:build unix

package relay

import (
	"io"
	"net"
	"sync/atomic"
	"testing"

	"event-dispatcher/broker/redis"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// A points is an address whose new connections lead elsewhere after a failover; those
// that there are stay where they are.
type points struct {
	addr string
	to   atomic.Pointer[string]
}

func newPoints(t *testing.T, to string) *points {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &points{addr: ln.Addr().String()}
	p.to.Store(&to)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", *p.to.Load())
			if err != nil {
				in.Close()
				continue
			}
			go func() { io.Copy(in, out); in.Close() }()
			go func() { io.Copy(out, in); out.Close() }()
		}
	}()
	return p
}

// A Redis becomes a replica and keeps its connections. Who publishes there is heard by
// nobody, so everybody goes to the new master, and the books balance.
func TestDemotedRedisIsLeft(t *testing.T) {
	master := redistest.Start(t)
	other := redistest.StartReplica(t, master)
	points := newPoints(t, master.Addr)
	o := newOutage(t, "redis://"+points.addr, "redis://"+points.addr, -1)
	config, err := redis.Parse("redis://" + points.addr)
	if err != nil {
		t.Fatal(err)
	}
	guard := redis.NewGuard(config, testkit.Patience, func(bool, error) {})
	defer guard.Close()
	testkit.Eventually(t, "the guard is up", guard.Up)
	o.post(100)
	testkit.Eventually(t, "events before", func() bool { return o.b.received.Load() == 100 })

	points.to.Store(&other.Addr)
	other.Do("REPLICAOF", "NO", "ONE")
	host, port, _ := net.SplitHostPort(other.Addr)
	master.Do("REPLICAOF", host, port)
	testkit.Eventually(t, "all have gone to the new master", func() bool {
		o.post(1)
		return guard.Up() && other.Do("PUBSUB", "NUMSUB", "event-dispatcher") == "event-dispatcher 2" &&
			o.a.relay.firehose.publisher.isUp() && o.b.relay.firehose.publisher.isUp()
	})
	o.settled(t)
}

// Where there is no master at all the relay says that it is not up, and comes back by itself.
func TestAReplicaIsNotUp(t *testing.T) {
	server := startRedis(t)
	i := newInstance(t, server.URL(), Options{}, nil)
	testkit.Eventually(t, "up", i.relay.Up)
	host, port, _ := net.SplitHostPort(testkit.FreeAddr(t))
	server.Do("REPLICAOF", host, port)
	testkit.Eventually(t, "not up", func() bool { return !i.relay.Up() })
	server.Do("REPLICAOF", "NO", "ONE")
	testkit.Eventually(t, "up again", i.relay.Up)
}
