//go:build unix

// Package natstest runs real nats-servers on random loopback ports for the length
// of a test, alone or as a cluster. Where nats-server is not installed, the test ends as
// by [testkit.Need].
package natstest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/internal/daemon"
	"event-dispatcher/internal/testkit"
)

// A Server is one nats-server. Its methods end the test when they fail.
type Server struct {
	*daemon.Process

	tb      testing.TB
	monitor string // address of its HTTP monitoring
}

// Start runs a nats-server; args are further options, such as "--user", "a". It ends
// with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return daemon.Anywhere(tb, func() (*Server, error) { return start(tb, testkit.FreeAddr(tb), args) })
}

// StartAt is Start at an address that [testkit.FreeAddr] gave.
func StartAt(tb testing.TB, addr string, args ...string) *Server {
	tb.Helper()
	s, err := start(tb, addr, args)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// StartWith runs a nats-server with a configuration file of this text.
func StartWith(tb testing.TB, configuration string) *Server {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		tb.Fatal(err)
	}
	return Start(tb, "--config", file)
}

// StartCluster runs so many servers that know each other.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	all := daemon.Anywhere(tb, func() ([]*Server, error) { return startCluster(tb, n) })
	for _, s := range all {
		testkit.Eventually(tb, "the servers know each other", func() bool { return s.number("/routez", "num_routes") >= n-1 })
	}
	return all
}

func startCluster(tb testing.TB, n int) (all []*Server, err error) {
	tb.Helper()
	routes := make([]string, n)
	for k := range routes {
		routes[k] = "nats://" + testkit.FreeAddr(tb)
	}
	for _, route := range routes {
		s, err := start(tb, testkit.FreeAddr(tb), []string{"--cluster_name", "c", "--cluster", route, "--routes", strings.Join(routes, ",")})
		if err != nil {
			for _, other := range all {
				other.Kill()
			}
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// URL is the address of one server, or of several.
func URL(servers ...*Server) string {
	hosts := make([]string, len(servers))
	for k, s := range servers {
		hosts[k] = s.Addr
	}
	return "nats://" + strings.Join(hosts, ",")
}

// URL is the server's address as a URL.
func (s *Server) URL() string { return URL(s) }

func start(tb testing.TB, addr string, args []string) (*Server, error) {
	tb.Helper()
	s := &Server{tb: tb, monitor: testkit.FreeAddr(tb)}
	_, port, _ := net.SplitHostPort(addr)
	_, monitor, _ := net.SplitHostPort(s.monitor)
	base := []string{"--addr", "127.0.0.1", "--port", port, "--http_port", monitor}
	var err error
	s.Process, err = daemon.Start(tb, addr, testkit.Daemon(tb, "nats-server"), slices.Concat(base, args)...)
	return s, err
}

// Subscriptions is how many subscriptions clients have at the server.
func (s *Server) Subscriptions() int {
	n := 0
	for _, c := range s.list("/connz") {
		n += int(c["subscriptions"].(float64))
	}
	return n
}

// Sent is how many messages the server gave to clients in all.
func (s *Server) Sent() int { return s.number("/varz", "out_msgs") }

// Traffic is messages that a user's connections, those that have ended included, gave
// to the server and got from it.
type Traffic struct{ In, Out int }

// Of is the traffic of one user, by the statistics of the connections.
func (s *Server) Of(user string) (t Traffic) {
	for _, c := range s.list("/connz?auth=true&state=any&limit=100000") {
		if c["authorized_user"] == user {
			t.In += int(c["in_msgs"].(float64))
			t.Out += int(c["out_msgs"].(float64))
		}
	}
	return t
}

// list are the connections of a page of the monitoring.
func (s *Server) list(page string) (all []map[string]any) {
	list, _ := s.page(page)["connections"].([]any)
	for _, c := range list {
		all = append(all, c.(map[string]any))
	}
	return all
}

func (s *Server) number(page, name string) int {
	n, _ := s.page(page)[name].(float64)
	return int(n)
}

func (s *Server) page(page string) map[string]any {
	s.tb.Helper()
	resp, err := http.Get("http://" + s.monitor + page)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		s.tb.Fatalf("%s: %v in %q", page, err, text)
	}
	return values
}
