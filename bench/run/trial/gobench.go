package trial

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"event-dispatcher/bench/internal/plan"
)

// GoBench runs microbenchmarks and returns a record per repetition. Their raw
// file is the output of go test, which benchstat reads.
func (e *Env) GoBench(ctx context.Context, s *plan.Scenario) []*Record {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	args := []string{"test", "-run", "^$", "-bench", s.Bench.Pattern, "-benchmem",
		"-benchtime", s.Duration.String(), "-count", strconv.Itoa(s.Repetitions), s.Bench.Package}
	first := e.record(s, plan.ProductName, Product, 1, "txt")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if writeErr := os.WriteFile(filepath.Join(e.Dir, first.File), clean(out), 0o644); writeErr != nil {
		first.fail("write the output: %v", writeErr)
	}
	first.Load = LoadSide{Command: append([]string{"go"}, args...), Exit: cmd.ProcessState.ExitCode()}
	if err != nil {
		first.fail("go test -bench: %v: %.300s", err, bytes.TrimSpace(out))
	}
	first.LoadAfter = LoadAverage()

	records := []*Record{first}
	for i, figures := range GoBenchFigures(string(out), s.Bench.Figures) {
		if i > 0 {
			r := *first
			r.Errors = []string{}
			records = append(records, &r)
		}
		records[i].Figures = figures
	}
	for _, name := range s.Bench.Figures {
		if _, ok := first.Figures[name]; !ok {
			first.fail("the benchmarks give no %s", name)
		}
	}
	return records
}

var goroutines = regexp.MustCompile(`-\d+$`)

// GoBenchFigures finds the named results of go test -bench: one map per
// repetition.
func GoBenchFigures(out string, names map[string]string) []map[string]float64 {
	var all []map[string]float64
	seen := make(map[string]int)
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		bench := goroutines.ReplaceAllString(words[0], "")
		for i := 2; i+1 < len(words); i += 2 {
			figure, ok := names[bench+" "+words[i+1]]
			v, err := strconv.ParseFloat(words[i], 64)
			if !ok || err != nil {
				continue
			}
			n := seen[figure]
			seen[figure]++
			if n == len(all) {
				all = append(all, make(map[string]float64))
			}
			all[n][figure] = v
		}
	}
	return all
}

// clean takes the name of the package's directory on this machine out, should
// an error message hold it.
func clean(out []byte) []byte {
	if wd, err := os.Getwd(); err == nil {
		return bytes.ReplaceAll(out, []byte(filepath.Dir(wd)+"/"), nil)
	}
	return fmt.Append(nil, string(out))
}
