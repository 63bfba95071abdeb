// Package process starts servers on loopback ports, keeps what they log, and
// ends them.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Ports that servers under test are given.
const (
	firstPort = 18100
	lastPort  = 18999
)

// Server is a process that listens.
type Server struct {
	Port    int
	Command []string

	cmd    *exec.Cmd
	log    tail
	ended  chan struct{}
	status string // after ended
}

// FreePort returns a port that nobody listens on. Those in skip are not
// considered.
func FreePort(skip ...int) (int, error) {
	// Not the first that is free: who asks at the same time must not get it, too.
	const span = lastPort - firstPort + 1
	start := rand.IntN(span)
	for i := range span {
		port := firstPort + (start+i)%span
		if slices.Contains(skip, port) {
			continue
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, ln.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d to %d", firstPort, lastPort)
}

// Start runs program, in whose args {port} stands for a port it finds, and
// returns when it listens. The error of one that does not says what it logged.
// Ports in reserved are left to others.
func Start(ctx context.Context, program string, args []string, reserved ...int) (*Server, error) {
	port, err := FreePort(reserved...)
	if err != nil {
		return nil, err
	}
	s := &Server{Port: port, ended: make(chan struct{})}
	s.Command = []string{program}
	for _, a := range args {
		s.Command = append(s.Command, strings.ReplaceAll(a, "{port}", fmt.Sprint(port)))
	}
	s.cmd = exec.Command(program, s.Command[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	// Keys of the terminal are for the runner, which ends its servers itself.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	go func() {
		if err := s.cmd.Wait(); err != nil {
			s.status = err.Error()
		} else {
			s.status = "exit status 0"
		}
		close(s.ended)
	}()
	if err := s.untilListening(ctx, 10*time.Second); err != nil {
		s.Stop()
		return s, err
	}
	return s, nil
}

func (s *Server) untilListening(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		c, err := net.Dial("tcp", s.Address())
		if err == nil {
			c.Close()
			// It may be somebody else who listens there.
			select {
			case <-s.ended:
			case <-time.After(20 * time.Millisecond):
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended before it listened: %s; it logged: %s", s.status, lastLine(s.Log()))
		case <-ctx.Done():
			return fmt.Errorf("the server does not listen on %s after %v", s.Address(), limit)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// UntilReady returns when the product's /readyz, at an address that it listens
// on, says that nothing is amiss, not even degraded.
func (s *Server) UntilReady(ctx context.Context, address string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		body, err := Get(ctx, address, "/readyz", 1<<10)
		if err == nil && strings.Contains(string(body), `"ready"`) {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended before it was ready: %s; it logged: %s", s.status, lastLine(s.Log()))
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("it answers %s", body)
			}
			return fmt.Errorf("the server on %s is not ready after %v: %w", address, limit, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Freeze makes the server stand still: its connections stay open, nothing is
// answered. [Server.Stop] wakes it.
func (s *Server) Freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Address is where the server listens.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// PID is the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is what the server has written: the beginning and the end, if it is long.
func (s *Server) Log() string { return s.log.String() }

// Stop asks the server to end, insists after a while, and returns how it
// ended. It may be called more than once.
func (s *Server) Stop() string {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := s.cmd.Process.Signal(signal); err != nil && signal == syscall.SIGTERM {
			// It has ended by itself.
			<-s.ended
			return s.status
		}
		_ = s.cmd.Process.Signal(syscall.SIGCONT) // it may be frozen, or have ended meanwhile
		select {
		case <-s.ended:
			return s.status
		case <-time.After(8 * time.Second):
		}
	}
	return "does not end"
}

// Ended reports whether the server has ended, and how.
func (s *Server) Ended() (string, bool) {
	select {
	case <-s.ended:
		return s.status, true
	default:
		return "", false
	}
}

// Get fetches a path of a server on this machine.
func Get(ctx context.Context, address, path string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	case int64(len(body)) > limit:
		return nil, errors.New("GET " + path + ": the answer is too long")
	}
	return body, nil
}

func lastLine(log string) string {
	log = strings.TrimSpace(log)
	if log == "" {
		return "nothing"
	}
	return log[strings.LastIndexByte(log, '\n')+1:]
}

// tail keeps the first and the last bytes written to it.
type tail struct {
	mu   sync.Mutex // guards all below
	head []byte
	last []byte
	lost int
}

const keep = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	if room := keep - len(t.head); room > 0 {
		k := min(room, len(b))
		t.head = append(t.head, b[:k]...)
		b = b[k:]
	}
	t.last = append(t.last, b...)
	if more := len(t.last) - keep; more > 0 {
		t.lost += more
		t.last = append(t.last[:0], t.last[more:]...)
	}
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == 0 {
		return string(t.head) + string(t.last)
	}
	return fmt.Sprintf("%s\n… %d bytes left out …\n%s", t.head, t.lost, t.last)
}
