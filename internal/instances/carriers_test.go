//go:build unix

package instances

import (
	"testing"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/redistest"
)

// A carrier is what takes players' events between instances: the faults are the same
// for each. Sessions are in a Redis, which is the carrier or stays well.
type carrier struct {
	t      testing.TB
	kind   string // redis or nats
	addr   string // at which instances reach it
	redis  *redistest.Server
	server interface {
		Stop()
		Continue()
		Kill()
		Restart()
	}
	kick func() // ends the subscribers' connections
}

// overEach runs a test with each carrier.
func overEach(t *testing.T, test func(*testing.T, carrier)) {
	t.Parallel()
	t.Run("carrier=redis", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		test(t, carrier{t: t, kind: "redis", addr: server.Addr, redis: server, server: server,
			kick: func() { server.Do("CLIENT", "KILL", "TYPE", "pubsub") }})
	})
	t.Run("carrier=nats", func(t *testing.T) {
		t.Parallel()
		server := natstest.Start(t)
		wire := newCable(t, server.Addr)
		test(t, carrier{t: t, kind: "nats", addr: wire.addr, redis: redistest.Start(t), server: server, kick: wire.reset})
	})
}

// at are the arguments of an instance that reaches the carrier at an address.
func (c carrier) at(addr string) []string {
	if c.kind == "redis" {
		return []string{"-redis", "redis://" + addr}
	}
	return []string{"-redis", c.redis.URL(), "-relay", "nats://" + addr}
}

// startAll is [startAll] with the carrier.
func (c carrier) startAll(n int, args ...string) []*instance {
	c.t.Helper()
	all := make([]*instance, n)
	for k := range all {
		all[k] = start(c.t, append(c.at(c.addr), args...)...)
	}
	together(c.t, all...)
	return all
}

func (c carrier) newPair(a, b *instance, rate int) *pair {
	c.t.Helper()
	p := newPair(c.t, a, b, rate)
	p.kind = c.kind
	return p
}

// A cluster of three loses one server and has another one hang, under load.
func TestNATSClusterLosesTwoOfThree(t *testing.T) {
	t.Parallel()
	servers := natstest.StartCluster(t, 3)
	sessions := redistest.Start(t)
	url := natstest.URL(servers...)
	var all []*instance
	for range 2 {
		all = append(all, start(t, "-redis", sessions.URL(), "-relay", url))
	}
	p := newPair(t, all[0], all[1], 200)
	servers[0].Kill()
	servers[1].Stop()
	p.converged()
	servers[1].Continue()
	servers[0].Restart()
	p.converged()
	p.settled()
}

// Over NATS alone sessions are each instance's own, and players' events are shared.
func TestNATSAlone(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	a, b := start(t, "-relay", server.URL()), start(t, "-relay", server.URL())
	together(t, a, b)
	far, player := b.listen(), a.player(1)
	player.publish(100)
	far.wantBooks(100)
	if status, _, err := a.Post("/poc/submit_update_event", `{"username":"u","cardId":"c"}`); status != 200 {
		t.Errorf("submit = %d, %v; want 200", status, err)
	}
}
