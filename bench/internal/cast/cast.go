// Package cast starts a subject of the plan together with its companions, and
// ends them.
package cast

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/internal/process"
)

// patience is how long the product may take until it is ready.
const patience = 10 * time.Second

// Cast is companions in the order of their start, then the server that is
// measured.
type Cast []*Actor

// Actor is one process.
type Actor struct {
	*process.Server
	Name    string
	Ends    string // how it may end, besides status 0
	Product bool   // is ready at some time, and has metrics

	probes string // address that says whether it is ready
}

// Start starts a subject from the programs in bin, with more flags for the
// product, and waits until companions and server are ready for each other. The
// server gets admin, if not 0, as the port of its admin listener. With an error
// it returns those that were started.
func Start(ctx context.Context, bin string, subject plan.Subject, more []string, admin int) (Cast, error) {
	var c Cast
	server := plan.Companion{Name: "the server", Program: subject.Program, Args: subject.Args}
	if admin != 0 {
		server.Args = slices.Concat(server.Args, []string{"-admin-addr", local(admin)})
	}
	for _, part := range append(slices.Clone(subject.Beside), server) {
		if err := c.enter(ctx, bin, part, more, admin); err != nil {
			return c, err
		}
	}
	if admin != 0 {
		c.Server().probes = local(admin)
	}
	if len(subject.Beside) == 0 {
		return c, nil
	}
	for _, a := range c {
		if a.Product {
			if err := a.UntilReady(ctx, a.probes, patience); err != nil {
				return c, fmt.Errorf("%s: %w", a.Name, err)
			}
		}
	}
	for i, part := range subject.Beside {
		if part.Frozen {
			if err := c[i].Freeze(); err != nil {
				return c, fmt.Errorf("freeze %s: %w", part.Name, err)
			}
		}
	}
	return c, nil
}

// enter starts one process, and adds it.
func (c *Cast) enter(ctx context.Context, bin string, part plan.Companion, more []string, reserved int) error {
	a := &Actor{Name: part.Name, Ends: part.Ends, Product: part.Program == plan.ProductProgram || part.Program == plan.BeforeProgram}
	args, program := part.Args, part.Program
	if a.Product {
		args = slices.Concat(args, more)
	}
	if !part.Installed {
		program = bin + "/" + program
	}
	var err error
	a.Server, err = process.Start(ctx, program, c.Fill(args), reserved)
	if a.Server != nil {
		a.probes = a.Address()
		*c = append(*c, a)
	}
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s is not installed (Debian: apt-get install %[1]s)", program)
	case err != nil:
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Server is the one that is measured, in a cast that is complete.
func (c Cast) Server() *Actor { return c[len(c)-1] }

// Fill returns args with the ports of the cast in the place of their names.
func (c Cast) Fill(args []string) []string {
	filled := slices.Clone(args)
	for i := range filled {
		for _, a := range c {
			filled[i] = strings.ReplaceAll(filled[i], "{"+a.Name+"}", fmt.Sprint(a.Port))
		}
	}
	return filled
}

// Load returns flags of a load on the complete cast: where the server is, then those
// of its subject, with ports in the place of names, {port} being the server's.
func (c Cast) Load(flags []string) []string {
	all := append([]string{"-url", "http://" + c.Server().Address(), "-pid", c.PIDs()}, c.Fill(flags)...)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "{port}", fmt.Sprint(c.Server().Port))
	}
	return all
}

// PIDs are the processes, comma-separated.
func (c Cast) PIDs() string {
	var pids []string
	for _, a := range c {
		pids = append(pids, fmt.Sprint(a.PID()))
	}
	return strings.Join(pids, ",")
}

// Stop ends all, the last started first: who needs another one is never without
// it.
func (c Cast) Stop() {
	for _, a := range slices.Backward(c) {
		a.Server.Stop()
	}
}
