//go:build unix

// Package redistest runs real redis-servers on random loopback ports for the
// length of a test, alone, as a replicated server with Sentinels, or as a
// cluster. Where redis-server is not installed, a test that
// needs one is skipped, or fails if nothing may be left out (testkit.Need).
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"event-dispatcher/internal/daemon"
	"event-dispatcher/internal/testkit"
)

// A Server is one redis-server. Its methods end the test when they fail. A restart finds
// nothing of what was stored; what a member of a cluster knows of the others stays.
type Server struct {
	*daemon.Process

	tb   testing.TB
	args []string
}

// Start runs a redis-server with nothing on disk; args are further options, such
// as "--requirepass", "secret". It ends with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startAnywhere(tb, nil, func() []string { return slices.Concat(inMemory, args) })
}

// StartAt is Start at an address that [testkit.FreeAddr] gave.
func StartAt(tb testing.TB, addr string, args ...string) *Server {
	tb.Helper()
	s, err := start(tb, addr, nil, slices.Concat(inMemory, args))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// inMemory keeps a server off the disk.
var inMemory = []string{"--save", "", "--appendonly", "no"}

// startAnywhere is start on a free port.
func startAnywhere(tb testing.TB, mode []string, args func() []string) *Server {
	tb.Helper()
	return daemon.Anywhere(tb, func() (*Server, error) { return start(tb, testkit.FreeAddr(tb), mode, args()) })
}

// start has the arguments of mode come before all others.
func start(tb testing.TB, addr string, mode, args []string) (*Server, error) {
	tb.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	base := []string{"--port", port, "--bind", "127.0.0.1", "--dir", tb.TempDir()}
	p, err := daemon.Start(tb, addr, testkit.Daemon(tb, "redis-server"), slices.Concat(mode, base, args)...)
	if err != nil {
		return nil, err
	}
	return &Server{Process: p, tb: tb, args: args}, nil
}

// URL is the server's address as a URL; path and query may follow.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Pause makes the server take so long for the next command of anybody. It does not
// wait for the end of that, as a client library does to close a connection.
func (s *Server) Pause(d time.Duration) {
	s.tb.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CLIENT PAUSE %d ALL\r\n", d.Milliseconds())
	if reply, err := bufio.NewReader(conn).ReadString('\n'); reply != "+OK\r\n" {
		s.tb.Fatalf("CLIENT PAUSE: %q, %v", reply, err)
	}
}

// Do sends one command over a connection of its own and returns the reply as text.
func (s *Server) Do(args ...string) string {
	s.tb.Helper()
	return s.DoAs("", "", args...)
}

// DoAs is Do with a user and a password.
func (s *Server) DoAs(user, password string, args ...string) string {
	s.tb.Helper()
	reply, err := s.try(user, password, args)
	if err != nil {
		s.tb.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return reply
}

func (s *Server) try(user, password string, args []string) (string, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Addr}, Username: user, Password: password,
		ForceSingleClient: true, DisableCache: true, PipelineMultiplex: -1,
		ReadBufferEachConn: 4096, WriteBufferEachConn: 4096,
	})
	if err != nil {
		return "", err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	reply, err := client.Do(ctx, client.B().Arbitrary(args...).Build()).ToMessage()
	if err != nil && !rueidis.IsRedisNil(err) {
		return "", err
	}
	return text(reply), nil
}

// text flattens a reply: elements, and the keys and values of a map, are
// separated by spaces, nil is empty.
func text(m rueidis.RedisMessage) string {
	if pairs, err := m.ToMap(); err == nil {
		parts := make([]string, 0, len(pairs))
		for k, v := range pairs {
			parts = append(parts, k+" "+text(v))
		}
		return strings.Join(parts, " ")
	}
	if list, err := m.ToArray(); err == nil {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = text(e)
		}
		return strings.Join(parts, " ")
	}
	if n, err := m.ToInt64(); err == nil {
		return strconv.FormatInt(n, 10)
	}
	str, _ := m.ToString()
	return str
}
