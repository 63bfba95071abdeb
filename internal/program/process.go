package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

// A Process is any program that ends with its test, or with the test binary.
type Process struct {
	Cmd *exec.Cmd
	Log *testkit.Output // what it writes, where cmd does not say otherwise

	tb    testing.TB
	ended chan struct{}
}

// Launch starts a command. If the test fails, it shows the log.
func Launch(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{tb: tb, Cmd: cmd, Log: &testkit.Output{}, ended: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.Log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.Log
	}
	cmd.SysProcAttr = testkit.DieWithParent()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit code tells
		close(p.ended)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-p.ended
		if tb.Failed() {
			tb.Logf("log of %s:\n%s", filepath.Base(cmd.Path), p.Log)
		}
	})
	return p
}

// HasEnded reports whether the process has ended.
func (p *Process) HasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Wait waits for the end and returns the exit code; -1 if a signal ended it.
func (p *Process) Wait() int {
	p.tb.Helper()
	select {
	case <-p.ended:
	case <-time.After(testkit.Patience):
		p.tb.Fatalf("%s does not end", filepath.Base(p.Cmd.Path))
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Exits sends a signal, waits for the end and returns the exit code.
func (p *Process) Exits(sig os.Signal) int {
	p.tb.Helper()
	if err := p.Cmd.Process.Signal(sig); err != nil {
		p.tb.Errorf("signal %v: %v", sig, err)
	}
	return p.Wait()
}
