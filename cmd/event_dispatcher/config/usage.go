package config

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// usage prints the flags, group by group.
func (t *table) usage(w io.Writer) {
	var flagsOnly []string
	for _, g := range t.groups {
		for _, name := range g.names {
			if t.noEnv[name] {
				flagsOnly = append(flagsOnly, "-"+name)
			}
		}
	}
	fmt.Fprintf(w, `Usage: event_dispatcher [flags]
       event_dispatcher token

Players POST JSON events to /metrics or /api/events; GET /events streams them to
everybody who listens. GET / is a page that shows what is going on.

  event_dispatcher                                         serve on :3569
  event_dispatcher -port :8080 -admin-addr 127.0.0.1:9090  operators by another door
  event_dispatcher -redis redis://10.0.0.5:6379/0          one of several instances
  event_dispatcher -config dispatcher.toml -check          is this file all right?
  event_dispatcher token                                   a new token for the -access file

Every flag is also an environment variable (-max-body: MAX_BODY) and a line of the
-config file (max-body = 65536), but for %s.
A flag wins over a variable, that over the file.
`, strings.Join(flagsOnly, ", "))
	for _, g := range t.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(w)
		for _, name := range g.names {
			f := t.flags.Lookup(name)
			fs.Var(f.Value, f.Name, f.Usage)
			fs.Lookup(name).DefValue = f.DefValue
		}
		fs.PrintDefaults()
	}
}
