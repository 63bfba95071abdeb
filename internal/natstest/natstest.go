//go:build unix

// Package natstest runs real nats-servers on random loopback ports for the length
// of a test, alone or as a cluster, and does to them what happens to servers: stops
// them, kills them, starts them again. Where nats-server is not installed, the test ends
// as by [testkit.Need].
package natstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A Server is one nats-server. Its methods end the test when they fail.
type Server struct {
	Addr string // "127.0.0.1:port"; the same after a restart

	tb      testing.TB
	args    []string
	monitor string // address of its HTTP monitoring
	cmd     *exec.Cmd
	out     *bytes.Buffer
	done    chan struct{} // closed when cmd has ended
}

// Start runs a nats-server; args are further options, such as "--user", "a". It ends
// with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startAnywhere(tb, func() []string { return args })
}

// StartAt is Start at an address that [testkit.FreeAddr] gave.
func StartAt(tb testing.TB, addr string, args ...string) *Server {
	tb.Helper()
	s, err := start(tb, addr, args)
	if err != nil {
		tb.Fatalf("nats-server does not start: %v", err)
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
	routes := make([]string, n)
	for k := range routes {
		routes[k] = "nats://" + testkit.FreeAddr(tb)
	}
	all := make([]*Server, n)
	for k := range all {
		all[k] = startAnywhere(tb, func() []string {
			return []string{"--cluster_name", "c", "--cluster", routes[k], "--routes", strings.Join(routes, ",")}
		})
	}
	for _, s := range all {
		testkit.Eventually(tb, "the servers know each other", func() bool { return s.number("/routez", "num_routes") >= n-1 })
	}
	return all
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

// startAnywhere is start on a free port. Somebody may have taken it in between, so it
// is tried again with others.
func startAnywhere(tb testing.TB, args func() []string) *Server {
	tb.Helper()
	for try := 1; ; try++ {
		s, err := start(tb, testkit.FreeAddr(tb), args())
		if err == nil {
			return s
		}
		if try == 5 {
			tb.Fatalf("nats-server does not start: %v", err)
		}
	}
}

func start(tb testing.TB, addr string, args []string) (*Server, error) {
	tb.Helper()
	s := &Server{tb: tb, Addr: addr, monitor: testkit.FreeAddr(tb)}
	_, port, _ := net.SplitHostPort(addr)
	_, monitor, _ := net.SplitHostPort(s.monitor)
	s.args = slices.Concat([]string{testkit.Daemon(tb, "nats-server"), "--addr", "127.0.0.1", "--port", port, "--http_port", monitor}, args)
	if err := s.launch(); err != nil {
		return nil, err
	}
	tb.Cleanup(s.Kill)
	return s, nil
}

// launch starts the process and waits until it listens.
func (s *Server) launch() error {
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = testkit.DieWithParent()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		cmd.Wait()
		close(done)
	}(s.cmd, s.done)
	for {
		select {
		case <-s.done:
			return fmt.Errorf("%s", s.out)
		case <-time.After(5 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			c.Close()
			return nil
		}
	}
}

// Stop halts the process where it is (SIGSTOP): connections stay open and are
// even accepted, but nothing is answered.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("%v to nats-server: %v", sig, err)
	}
}

// Kill ends the process at once and waits for it.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Restart starts a killed server again, at the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("nats-server does not start again: %v", err)
	}
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
