//go:build unix

package redistest

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

// A Cluster is a Redis Cluster of three masters with a replica each.
type Cluster struct {
	Nodes []*Server // the masters, then their replicas, as they were at the start

	tb testing.TB
}

const (
	masters    = 3
	slots      = 16384
	nodeExpiry = "3000" // ms without an answer after which a node is taken for dead
)

// StartNode is [Start] of a node of a cluster that has no others.
func StartNode(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startAnywhere(tb, nil, func() []string { return slices.Concat(node(tb), args) })
}

// node is the options of a node. The port for other nodes, by default 10,000 above its own,
// must be free, too: otherwise it ends.
func node(tb testing.TB) []string {
	tb.Helper()
	_, bus, _ := net.SplitHostPort(testkit.FreeAddr(tb))
	return slices.Concat(inMemory, []string{"--cluster-enabled", "yes", "--cluster-port", bus})
}

// StartCluster runs one, and waits until all its nodes agree and every replica
// has what its master has. args are options of each node.
func StartCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for range 2 * masters {
		c.Nodes = append(c.Nodes, startAnywhere(tb, nil, func() []string {
			return slices.Concat(node(tb), []string{
				"--repl-diskless-sync-delay", "0", "--cluster-announce-ip", "127.0.0.1", "--cluster-node-timeout", nodeExpiry,
			}, args)
		}))
	}
	for k, node := range c.Nodes {
		node.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(k+1))
		if k > 0 {
			c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", node.Port(), node.bus())
		}
		if k < masters {
			node.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(k*slots/masters), strconv.Itoa((k+1)*slots/masters-1))
		}
	}
	c.everywhere("the nodes know each other", "cluster_known_nodes:"+strconv.Itoa(len(c.Nodes)))
	for k, replica := range c.Nodes[masters:] {
		id := c.Nodes[k].Do("CLUSTER", "MYID")
		testkit.Eventually(tb, "the replica knows its master", func() bool {
			return strings.Contains(replica.Do("CLUSTER", "NODES"), id)
		})
		replica.Do("CLUSTER", "REPLICATE", id)
		testkit.Eventually(tb, "the replica has what its master has", replica.Follows)
	}
	c.everywhere("the cluster serves all slots", "cluster_state:ok")
	for _, node := range c.Nodes {
		testkit.Eventually(tb, "all know who is whose replica", func() bool {
			return strings.Count(node.Do("CLUSTER", "NODES"), "slave") == masters
		})
	}
	return c
}

func (c *Cluster) everywhere(what, line string) {
	c.tb.Helper()
	for _, node := range c.Nodes {
		testkit.Eventually(c.tb, what, func() bool { return strings.Contains(node.Do("CLUSTER", "INFO"), line) })
	}
}

// bus is the port at which other nodes reach this one.
func (s *Server) bus() string {
	for k, a := range s.args {
		if a == "--cluster-port" {
			return s.args[k+1]
		}
	}
	return ""
}

// Slot is where the cluster keeps a key.
func (c *Cluster) Slot(key string) string { return c.Nodes[0].Do("CLUSTER", "KEYSLOT", key) }

// Master is the node that serves a slot now, as it says itself; nil if none that
// answers does.
func (c *Cluster) Master(slot string) *Server {
	n, _ := strconv.Atoi(slot)
	for _, node := range c.Nodes {
		if !node.Answers() {
			continue
		}
		for line := range strings.Lines(node.Do("CLUSTER", "NODES")) {
			fields := strings.Fields(line)
			if strings.HasPrefix(fields[2], "myself,master") && serves(fields[8:], n) {
				return node
			}
		}
	}
	return nil
}

// serves looks for a slot among ranges like "0-5460" and "5462".
func serves(ranges []string, slot int) bool {
	for _, r := range ranges {
		from, to, several := strings.Cut(r, "-")
		if !several {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && first <= slot && slot <= last {
			return true
		}
	}
	return false
}

// Move gives a slot, with its keys, to another master, as resharding does.
func (c *Cluster) Move(slot string, to *Server) {
	c.tb.Helper()
	from := c.Master(slot)
	source, target := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	for {
		keys := strings.Fields(from.Do("CLUSTER", "GETKEYSINSLOT", slot, "100"))
		if len(keys) == 0 {
			break
		}
		from.Do(append([]string{"MIGRATE", "127.0.0.1", to.Port(), "", "0", "5000", "KEYS"}, keys...)...)
	}
	// The new master first, so that the slot is never nobody's.
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
	for _, node := range c.Nodes {
		if node != to && node.Answers() && node.Leads() {
			node.Do("CLUSTER", "SETSLOT", slot, "NODE", target)
		}
	}
}
