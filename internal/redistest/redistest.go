//go:build unix

// Package redistest runs real redis-servers on random loopback ports for the
// length of a test, alone, as a replicated server with Sentinels, or as a
// cluster, and does to them what happens to servers: stops them, kills them, starts
// them again. Where redis-server is not installed, a test that
// needs one is skipped, or fails if nothing may be left out (testkit.Need).
package redistest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"event-dispatcher/internal/testkit"
)

// A Server is one redis-server. Its methods end the test when they fail.
type Server struct {
	Addr string // "127.0.0.1:port"; the same after a restart

	tb   testing.TB
	path string
	dir  string   // where it runs; the same after a restart
	mode []string // arguments before all others
	args []string
	cmd  *exec.Cmd
	held bool // by Stop
	out  *bytes.Buffer
	done chan struct{} // closed when cmd has ended
}

// Start runs a redis-server with nothing on disk; args are further options, such
// as "--requirepass", "secret". It ends with the test.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return startAnywhere(tb, nil, func() []string { return slices.Concat(inMemory, args) })
}

// StartAt is Start at an address that [FreeAddr] gave.
func StartAt(tb testing.TB, addr string, args ...string) *Server {
	tb.Helper()
	s, err := start(tb, addr, nil, slices.Concat(inMemory, args))
	if err != nil {
		tb.Fatalf("redis-server does not start: %v", err)
	}
	return s
}

// inMemory keeps a server off the disk.
var inMemory = []string{"--save", "", "--appendonly", "no"}

// FreeAddr is a loopback address where nobody listens, for a Redis that is absent.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	return testkit.FreeAddr(tb)
}

// startAnywhere is start on a free port. Somebody may have taken it, or a port
// among the arguments, in between, so it is tried again with others.
func startAnywhere(tb testing.TB, mode []string, args func() []string) *Server {
	tb.Helper()
	for try := 1; ; try++ {
		s, err := start(tb, FreeAddr(tb), mode, args())
		if err == nil {
			return s
		}
		if try == 5 {
			tb.Fatalf("redis-server does not start: %v", err)
		}
	}
}

func start(tb testing.TB, addr string, mode, args []string) (*Server, error) {
	tb.Helper()
	testkit.Need(tb, "redis-server")
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	s := &Server{tb: tb, Addr: addr, path: path, dir: tb.TempDir(), mode: mode, args: args}
	if err := s.launch(); err != nil {
		return nil, err
	}
	tb.Cleanup(s.Kill)
	return s, nil
}

// launch starts the process and waits until it listens.
func (s *Server) launch() error {
	base := []string{"--port", s.port(), "--bind", "127.0.0.1", "--dir", s.dir}
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command(s.path, slices.Concat(s.mode, base, s.args)...)
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

// URL is the server's address as a URL; path and query may follow.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Pid is the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Stop halts the process where it is (SIGSTOP): connections stay open and are
// even accepted, but nothing is answered.
func (s *Server) Stop() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	s.held = true
}

// Continue ends Stop.
func (s *Server) Continue() {
	s.tb.Helper()
	s.signal(syscall.SIGCONT)
	s.held = false
}

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

// answers reports whether the process runs.
func (s *Server) answers() bool {
	select {
	case <-s.done:
		return false
	default:
		return !s.held
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatalf("%v to redis-server: %v", sig, err)
	}
}

// Kill ends the process at once and waits for it; everything stored is lost.
// What a member of a cluster knows of the others stays.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Restart starts a killed server again, empty, at the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("redis-server does not start again: %v", err)
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

// port is the last part of an address.
func (s *Server) port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
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
