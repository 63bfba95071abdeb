package plan

import (
	"io"
	"regexp"
	"slices"
	"testing"
	"time"

	"event-dispatcher/bench/load/config"
)

func TestEveryScenarioIsAWellFormedLoad(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9-]+$`)
	seen := make(map[string]bool)
	for _, full := range Scenarios() {
		if seen[full.Name] || !name.MatchString(full.Name) || full.Title == "" || full.Repetitions < 1 {
			t.Errorf("scenario %+v", full)
		}
		seen[full.Name] = true
		for _, s := range append(Shorten([]Scenario{full}), full) {
			if s.Bench != nil {
				continue
			}
			subjects := append([]Subject{s.Product}, s.Rivals...)
			if s.Ceiling != nil {
				subjects = append(subjects, *s.Ceiling)
			}
			for _, sub := range subjects {
				args := slices.Concat(s.Load, []string{"-warmup", s.Warmup.String(), "-duration", s.Duration.String()}, sub.Load)
				for i := range args {
					args[i] = placeholder.ReplaceAllString(args[i], "1")
				}
				if _, err := config.Parse(args, io.Discard); err != nil {
					t.Errorf("%s, %s: %v", s.Name, sub.Name, err)
				}
				names := map[string]bool{"port": true, "n": true} // {n} is the load's own
				for _, c := range sub.Beside {
					if c.Name == "" || c.Program == "" {
						t.Errorf("%s, %s: companion %+v", s.Name, sub.Name, c)
					}
					wellNamed(t, c.Args, names)
					names[c.Name] = true
				}
				wellNamed(t, slices.Concat(sub.Args, sub.Load), names)
				if sub.Program == "" || !slices.ContainsFunc(sub.Args, regexp.MustCompile(`\{port\}`).MatchString) {
					t.Errorf("%s, %s: program %q, args %v", s.Name, sub.Name, sub.Program, sub.Args)
				}
			}
		}
	}
}

var placeholder = regexp.MustCompile(`\{([a-z0-9]+)\}`)

// wellNamed checks that ports in args are those of processes started before.
func wellNamed(t *testing.T, args []string, names map[string]bool) {
	t.Helper()
	for _, a := range args {
		for _, m := range placeholder.FindAllStringSubmatch(a, -1) {
			if !names[m[1]] {
				t.Errorf("%q: nothing called %s runs by then", a, m[1])
			}
		}
	}
}

func TestEveryTargetHasItsScenario(t *testing.T) {
	all := Scenarios()
	for _, tg := range Targets() {
		sc := Find(all, tg.Scenario)
		if sc == nil && tg.Scenario != Any {
			t.Errorf("%s: no scenario %q", tg.Title, tg.Scenario)
			continue
		}
		if tg.Title == "" || tg.Figure == "" {
			t.Errorf("target %+v", tg)
		}
		switch {
		case tg.Against == Ceiling && sc.Ceiling == nil:
			t.Errorf("%s: scenario %s has no ceiling", tg.Title, sc.Name)
		case tg.Added && tg.Against != Ceiling:
			t.Errorf("%s: added to what?", tg.Title)
		case tg.Against != Value && tg.Against != Ceiling && Find(all, tg.Against) == nil:
			t.Errorf("%s: no scenario %q to compare with", tg.Title, tg.Against)
		}
	}
}

// elapsed estimates how long scenarios take, with a second for starting,
// settling and ending each run.
func elapsed(scenarios []Scenario) time.Duration {
	var sum time.Duration
	for _, s := range scenarios {
		runs := s.Repetitions + len(s.Rivals)
		if s.SideBySide {
			runs = s.Repetitions * (1 + len(s.Rivals))
		}
		if s.Ceiling != nil {
			runs += s.Repetitions + 1
		}
		if s.Bench != nil {
			sum += time.Duration(4+2*s.Repetitions) * time.Second
			continue
		}
		sum += time.Duration(runs) * (s.Warmup + s.Duration + time.Second)
	}
	return sum
}

func TestTheBenchmarkEndsInReasonableTime(t *testing.T) {
	if d := elapsed(Scenarios()); d > 28*time.Minute {
		t.Errorf("all scenarios take about %v, want at most 28m", d)
	}
	if d := elapsed(Shorten(Scenarios())); d > 90*time.Second {
		t.Errorf("a quick run takes about %v, want at most 90s", d)
	}
}
