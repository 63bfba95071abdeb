//go:build unix

package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

// StartReplica runs a redis-server that copies another one, and waits until it
// has done so.
func StartReplica(tb testing.TB, master *Server, args ...string) *Server {
	tb.Helper()
	s := Start(tb, append([]string{"--replicaof", "127.0.0.1 " + master.Port()}, args...)...)
	testkit.Eventually(tb, "the replica has what its master has", s.Follows)
	return s
}

// Follows reports whether s is a replica with a link to its master. A server that
// is just being made one closes its connections, so no answer is an answer.
func (s *Server) Follows() bool {
	info, err := s.try("", "", []string{"INFO", "replication"})
	return err == nil && strings.Contains(info, "master_link_status:up")
}

// Leads reports whether s takes itself for a master.
func (s *Server) Leads() bool {
	role, err := s.try("", "", []string{"ROLE"})
	return err == nil && strings.HasPrefix(role, "master")
}

// StartSentinel runs a Sentinel that watches a server under a name.
func StartSentinel(tb testing.TB, name string, master *Server) *Server {
	tb.Helper()
	return startSentinel(tb, name, master, 1)
}

// StartSentinels runs three Sentinels, two of which decide that a master is gone,
// and waits until they know each other and the master's one replica.
func StartSentinels(tb testing.TB, name string, master *Server) []*Server {
	tb.Helper()
	all := make([]*Server, 3)
	for k := range all {
		all[k] = startSentinel(tb, name, master, 2)
	}
	for _, s := range all {
		testkit.Eventually(tb, "the Sentinels know each other and the replica", func() bool {
			info := s.Do("SENTINEL", "MASTER", name)
			return strings.Contains(info, "num-other-sentinels 2") && strings.Contains(info, "num-slaves 1")
		})
	}
	return all
}

func startSentinel(tb testing.TB, name string, master *Server, quorum int) *Server {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf(`sentinel monitor %s 127.0.0.1 %s %d
sentinel down-after-milliseconds %[1]s 2000
sentinel failover-timeout %[1]s 10000
`, name, master.Port(), quorum)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		tb.Fatal(err)
	}
	return startAnywhere(tb, []string{file, "--sentinel"}, func() []string { return nil })
}
