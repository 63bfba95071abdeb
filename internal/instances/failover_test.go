//go:build unix

package instances

import (
	"fmt"
	"strings"
	"testing"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// A cluster loses the master that carries the events, once because it dies and
// once because it hangs, and later gives the slots of events and users to other
// masters: the instances find their way, and the books balance.
func TestClusterFailsOverAndIsResharded(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	all := startAll(t, 2, clusterURL(cluster, ""))
	p := newPair(t, all[0], all[1], 100)
	slot := cluster.Slot("event-dispatcher")
	master := cluster.Master(slot)
	wantSharded(t, master)

	master.Kill()
	testkit.Eventually(t, "the replica takes over", func() bool { return cluster.Master(slot) != nil })
	p.converged()
	wantSharded(t, cluster.Master(slot))
	p.wantUsersEverywhere()

	master.Restart()
	wantReplica(t, master)
	hanging := cluster.Master(slot)
	hanging.Stop()
	testkit.Eventually(t, "the first master takes over", func() bool { return cluster.Master(slot) == master })
	p.converged()
	hanging.Continue()
	wantReplica(t, hanging)
	p.converged()

	for _, name := range []string{"event-dispatcher", "users"} {
		slot := cluster.Slot(name)
		from := cluster.Master(slot)
		to := cluster.Master(cluster.Slot("elsewhere"))
		if to == from {
			to = cluster.Master(cluster.Slot("nowhere"))
		}
		cluster.Move(slot, to)
		p.converged()
	}
	wantSharded(t, cluster.Master(slot))
	p.wantUsersEverywhere()
	p.settled()
}

// wantReplica waits until a server that was a master follows its successor.
func wantReplica(t *testing.T, s *redistest.Server) {
	t.Helper()
	testkit.Eventually(t, "the old master follows the new one", s.Follows)
}

func clusterURL(c *redistest.Cluster, login string) string {
	var hosts []string
	for _, node := range c.Nodes {
		hosts = append(hosts, node.Addr)
	}
	return "redis://" + login + strings.Join(hosts, ",")
}

// wantSharded holds the players' events to go by sharded Pub/Sub, which stays
// within the shard of a node, and session events by the original's.
func wantSharded(t *testing.T, node *redistest.Server) {
	t.Helper()
	testkit.Eventually(t, "subscribed at the channel's node", func() bool {
		return node.Do("PUBSUB", "SHARDCHANNELS") == "event-dispatcher" && node.Do("PUBSUB", "SHARDNUMSUB", "event-dispatcher") == "event-dispatcher 2"
	})
	if got := node.Do("PUBSUB", "CHANNELS"); strings.Contains(got, "event-dispatcher") {
		t.Errorf("PUBSUB CHANNELS = %q; want no players' events", got)
	}
}

// converged waits until events of both players reach the consumers of both again,
// and sessions, too.
func (p *pair) converged() {
	p.t.Helper()
	together(p.t, p.a, p.b)
	for _, s := range []*stream{p.atA, p.atB} {
		for _, l := range []*load{p.playsA, p.playsB} {
			from := l.sent()
			testkit.Eventually(p.t, "players' events arrive again", func() bool { return len(s.of(l.id, from, 1<<30)) > 0 })
		}
	}
	p.wantSession()
}

// wantUsersEverywhere submits for users whose keys are on all nodes of a cluster.
func (p *pair) wantUsersEverywhere() {
	p.t.Helper()
	for k := range 12 {
		user := fmt.Sprintf("u%d", k)
		testkit.Eventually(p.t, "what is submitted is known at the other instance", func() bool {
			id := p.submit(p.a, user)
			_, body := p.b.Get("/poc/replay_event_data/" + user)
			return strings.Contains(body, id)
		})
	}
}

// The master dies and three Sentinels make its replica the master, which later
// hangs, so that they go back to the first.
func TestSentinelsFailOver(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	var hosts []string
	for _, s := range redistest.StartSentinels(t, "main", master) {
		hosts = append(hosts, s.Addr)
	}
	all := startAll(t, 2, "redis-sentinel://"+strings.Join(hosts, ",")+"/main/0")
	p := newPair(t, all[0], all[1], 100)
	master.Kill()
	p.away(p.a, p.b)
	p.wantLocalSession()
	testkit.Eventually(t, "the replica is the master", replica.Leads)
	p.converged()
	testkit.Eventually(t, "the new master knows who is active", func() bool {
		users := replica.Do("SMEMBERS", "users")
		return strings.Contains(users, "p/alice") && strings.Contains(users, "p/bob")
	})
	master.Restart()
	wantReplica(t, master)
	p.converged()
	replica.Stop()
	testkit.Eventually(t, "the first is the master", master.Leads)
	p.converged()
	replica.Continue()
	wantReplica(t, replica)
	p.converged()
	p.settled()
}
