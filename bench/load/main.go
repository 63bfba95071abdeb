// Command load publishes events to a dispatcher on this machine the way
// players do, listens to them the way consumers do, measures both, and checks
// that every event arrived or was reported as skipped. It knows nothing of the
// server but its HTTP contract, so it drives rivals as well. It needs Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/scenario"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code. Results go to stdout, progress and complaints to
// stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := config.Parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "load:", err)
		return exitUsage
	}
	progress := stderr
	if cfg.Quiet {
		progress = io.Discard
	}
	rep := scenario.Run(ctx, cfg, progress)
	rep.WriteTable(stdout)
	if cfg.JSON != "" {
		rep.Fail(rep.WriteJSON(cfg.JSON))
	}
	for _, s := range rep.Errors {
		fmt.Fprintln(stderr, "load:", s)
	}
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case len(rep.Errors) > 0:
		return exitFailed
	}
	return 0
}
