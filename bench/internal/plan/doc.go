// Package plan holds, as data, what is measured and what it is measured
// against: scenarios, the servers that play in them, and targets.
//
// A scenario with a ceiling is played ceiling, product, ceiling, product, …,
// ceiling, so that each run of the product stands between two of the ceiling
// and slow drifts of the machine cancel out.
package plan

import (
	"slices"
	"time"
)

// Subject is a server that a scenario is played against.
type Subject struct {
	Name    string
	Program string   // in bench/bin
	Args    []string // {port} stands for the port, {NAME} for that of a companion
	Load    []string // added to the scenario's flags; later ones win; {port} and {NAME} as in Args
	// Beside are the processes that it needs. They are started before it, in order.
	Beside []Companion
	// Module is what the program starts, as go install knows it; it is put into
	// bin/installed. A rival whose module cannot be had fails.
	Module string
}

// Companion is a process beside a subject. Companions of the product are waited
// for until they, and it, are ready.
type Companion struct {
	Name      string
	Program   string
	Installed bool     // the system's program, not one in bench/bin
	Args      []string // {port} stands for the port, {NAME} for that of an earlier one
	Ends      string   // how it ends when it is asked to, if not with status 0
	Frozen    bool     // stands still from when all are ready, and answers nothing
}

// Scenario is one load.
type Scenario struct {
	Name  string // of files; lower case
	Title string // for people
	Note  string // what a reader of the figures should know

	Load             []string // flags of bench/load: all but time, server, and files
	Warmup, Duration time.Duration
	Settle           time.Duration // 0: what bench/load takes by default
	Repetitions      int

	Ceiling *Subject // nil: the scenario has none
	Product Subject
	Rivals  []Subject // played once, at the end, or SideBySide; they may fail

	// SideBySide says that rivals are played in every repetition, after the product, and
	// that the report compares all of them. Consumers must read everything, for all alike.
	SideBySide bool

	// Bench makes the scenario a run of go test -bench instead of a load.
	Bench *GoBench

	// Compare says how the scenario is played against an earlier build; nil: not
	// at all.
	Compare *Compare

	// Quick says how the scenario is played when time is short; nil: not at all.
	Quick *Quick
}

// Quick is a shorter version of a scenario.
type Quick struct {
	Repetitions      int
	Warmup, Duration time.Duration
	Load             []string // added to the scenario's flags
}

// Compare is how a scenario is played in turn with an earlier build.
type Compare struct {
	Pairs            int // of one run each
	Warmup, Duration time.Duration
}

// GoBench is microbenchmarks of the product's module.
type GoBench struct {
	Package string
	Pattern string
	// Figures names results: "BenchmarkPublish/bytes=512 ns/op" to a figure.
	Figures map[string]string
}

// Target is a promise about one figure of one scenario.
type Target struct {
	Title    string
	Scenario string // Any: every load scenario
	Figure   string
	Against  string // Value, Ceiling, or the name of another scenario
	Added    bool   // with Ceiling: how much more than it, not how many times it
	Least    bool   // the figure must be at least Limit, not at most
	Limit    float64
	Scale    float64 // figures are multiplied by it for people; 0 is 1
	Unit     string
	Worst    bool // every run counts, not the median
}

// What a figure is judged against, besides other scenarios.
const (
	Value   = ""
	Ceiling = "ceiling"
)

// Any stands for all scenarios.
const Any = "*"

// Everywhere returns the targets that hold whatever is played.
func Everywhere(targets []Target) []Target {
	var some []Target
	for _, t := range targets {
		if t.Scenario == Any {
			some = append(some, t)
		}
	}
	return some
}

// Find returns the scenario with that name, or nil.
func Find(scenarios []Scenario, name string) *Scenario {
	for i := range scenarios {
		if scenarios[i].Name == name {
			return &scenarios[i]
		}
	}
	return nil
}

// Modules returns those of the scenarios' rivals, each once.
func Modules(scenarios []Scenario) []string {
	var modules []string
	for _, s := range scenarios {
		for _, rival := range s.Rivals {
			if rival.Module != "" && !slices.Contains(modules, rival.Module) {
				modules = append(modules, rival.Module)
			}
		}
	}
	return modules
}

// Against returns the scenarios that can be played against an earlier build, as
// that: without ceilings and rivals, because each build is the other's.
func Against(scenarios []Scenario) []Scenario {
	var chosen []Scenario
	for _, s := range scenarios {
		if s.Compare == nil {
			continue
		}
		s.Repetitions, s.Warmup, s.Duration = s.Compare.Pairs, s.Compare.Warmup, s.Compare.Duration
		s.Ceiling, s.Rivals = nil, nil
		chosen = append(chosen, s)
	}
	return chosen
}

// Before returns a subject of the product with the earlier build in its place.
func Before(s Subject) Subject {
	s.Name, s.Program = BeforeName, BeforeProgram
	return s
}

// Shorten returns the scenarios that have a quick version, as that.
func Shorten(scenarios []Scenario) []Scenario {
	var short []Scenario
	for _, s := range scenarios {
		if s.Quick == nil {
			continue
		}
		s.Repetitions, s.Warmup, s.Duration = s.Quick.Repetitions, s.Quick.Warmup, s.Quick.Duration
		s.Load = slices.Concat(s.Load, s.Quick.Load)
		s.Rivals = nil
		short = append(short, s)
	}
	return short
}
