//go:build unix

package redistest

import (
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

func TestReplicaOfAClusterTakesOver(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	slot := c.Slot("key")
	master := c.Master(slot)
	master.Do("SET", "key", "1")
	testkit.Eventually(t, "the replica has the key", func() bool { return master.Do("WAIT", "1", "100") == "1" })
	master.Kill()
	testkit.Eventually(t, "another node serves the slot", func() bool { return c.Master(slot) != nil })
	testkit.Eventually(t, "the key can be read", func() bool { return strings.Contains(c.Master(slot).Do("CLUSTER", "INFO"), "cluster_state:ok") })
	if got := c.Master(slot).Do("GET", "key"); got != "1" {
		t.Errorf("GET key = %q after the failover; want 1", got)
	}
	master.Restart()
	testkit.Eventually(t, "the old master follows", master.Follows)
}

func TestMovedSlotTakesItsKeysAlong(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	slot := c.Slot("key")
	from := c.Master(slot)
	from.Do("SET", "key", "1")
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	c.Move(slot, to)
	if got := to.Do("GET", "key"); got != "1" || c.Master(slot) != to {
		t.Errorf("GET key = %q at the new master; want 1", got)
	}
}

func TestSentinelsMakeAReplicaTheMaster(t *testing.T) {
	t.Parallel()
	master := Start(t)
	replica := StartReplica(t, master)
	all := StartSentinels(t, "main", master)
	master.Kill()
	testkit.Eventually(t, "the replica is master", replica.Leads)
	for _, s := range all {
		testkit.Eventually(t, "the Sentinels say so", func() bool {
			return strings.Contains(s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"), replica.Port())
		})
	}
}
