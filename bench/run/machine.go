package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"event-dispatcher/bench/load/probe"
	"event-dispatcher/bench/run/summary"
	"event-dispatcher/bench/run/trial"
)

// machine describes where and what is measured.
func machine(ctx context.Context, o *options) summary.Meta {
	cores := runtime.NumCPU()
	m := probe.ReadMachine(cores)
	meta := summary.Meta{
		Date: time.Now(), Host: o.host, CPU: m.CPU, Cores: cores, Memory: m.Memory, Kernel: m.Kernel,
		Go: runtime.Version(), Commit: commit(ctx), Quick: o.quick, LoadFlags: o.loadArgs, LoadBefore: trial.LoadAverage(),
		// How it is started is told without the name of a temporary program.
		Command: append([]string{"go", "run", "./run"}, os.Args[1:]...),
	}
	if meta.Host == "" {
		meta.Host = hostLabel(cores)
	}
	return meta
}

// hostLabel names the machine without giving it away.
func hostLabel(cores int) string {
	b, _ := os.ReadFile("/proc/cpuinfo") // without it: not known to be virtual
	if strings.Contains(string(b), " hypervisor") {
		return fmt.Sprintf("%dcore-vm", cores)
	}
	return fmt.Sprintf("%dcore", cores)
}

// commit is what is measured: the commit, and whether the tree has changes to
// the programs.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(out))
	status, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", "..", ":!results").Output()
	if err != nil || len(status) > 0 {
		name += " with changes"
	}
	return name
}
