//go:build unix

// Package daemon runs a real server on a loopback port for the length of a test, and does
// to it what happens to servers: stops it, kills it, starts it again. Package redistest
// and package natstest say which servers there are.
package daemon

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A Process is one server. Its methods end the test when they fail.
type Process struct {
	Addr string // "127.0.0.1:port"; the same after a restart

	tb   testing.TB
	args []string
	cmd  *exec.Cmd
	held bool // by Stop
	out  *bytes.Buffer
	done chan struct{} // closed when cmd has ended
}

// Start runs a program whose arguments have it listen at an address, and waits until it
// does. The error is what the program wrote if it ends instead. It ends with the test.
func Start(tb testing.TB, addr, path string, args ...string) (*Process, error) {
	tb.Helper()
	p := &Process{Addr: addr, tb: tb, args: append([]string{path}, args...)}
	if err := p.launch(); err != nil {
		return nil, err
	}
	tb.Cleanup(p.Kill)
	return p, nil
}

// Anywhere calls start, which takes free ports and starts what listens there. Somebody may
// have taken one of them in between, so it is tried again.
func Anywhere[S any](tb testing.TB, start func() (S, error)) S {
	tb.Helper()
	for try := 1; ; try++ {
		s, err := start()
		if err == nil {
			return s
		}
		if try == 5 {
			tb.Fatal(err)
		}
	}
}

// launch starts the process and waits until it listens.
func (p *Process) launch() error {
	p.out, p.done, p.held = new(bytes.Buffer), make(chan struct{}), false
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = testkit.DieWithParent()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, done chan struct{}) {
		cmd.Wait()
		close(done)
	}(p.cmd, p.done)
	for {
		select {
		case <-p.done:
			return fmt.Errorf("%s does not start: %s", p.name(), p.out)
		case <-time.After(5 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", p.Addr); err == nil {
			c.Close()
			return nil
		}
	}
}

func (p *Process) name() string { return filepath.Base(p.args[0]) }

// Port is the last part of the address.
func (p *Process) Port() string {
	_, port, _ := net.SplitHostPort(p.Addr)
	return port
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stop halts the process where it is (SIGSTOP): connections stay open and are
// even accepted, but nothing is answered.
func (p *Process) Stop() {
	p.tb.Helper()
	p.signal(syscall.SIGSTOP)
	p.held = true
}

// Continue ends Stop.
func (p *Process) Continue() {
	p.tb.Helper()
	p.signal(syscall.SIGCONT)
	p.held = false
}

// Answers reports whether the process runs, and is not stopped.
func (p *Process) Answers() bool {
	select {
	case <-p.done:
		return false
	default:
		return !p.held
	}
}

func (p *Process) signal(sig syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.tb.Fatalf("%v to %s: %v", sig, p.name(), err)
	}
}

// Kill ends the process at once and waits for it. What it has in memory is lost.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// Restart starts a killed server again, at the same address.
func (p *Process) Restart() {
	p.tb.Helper()
	if err := p.launch(); err != nil {
		p.tb.Fatal(err)
	}
}
