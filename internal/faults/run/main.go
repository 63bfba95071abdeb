// Command run injects the faults of the table at full size, one row after the other,
// and writes docs/faults.md with what was measured.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"

	"event-dispatcher/internal/faults"
)

const page = "docs/faults.md"

func main() {
	rows := flag.String("rows", "all", `which rows, as "1,4", all, or none: write the page with the figures that it has`)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *rows)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows string) error {
	text, err := os.ReadFile(page)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	figures := faults.Measured(string(text))
	var failed []string
	tried := 0
	for _, row := range faults.Rows {
		number := strconv.Itoa(row.Number)
		if rows != "all" && !slices.Contains(strings.Split(rows, ","), number) {
			continue
		}
		tried++
		measured, err := inject(ctx, row)
		fmt.Printf("%2d %s\n   expected: %s\n   measured: %s\n", row.Number, row.Fault, row.Expected, measured)
		if err != nil {
			failed = append(failed, number)
			fmt.Printf("   FAILED: %v\n", err)
			continue
		}
		figures[row.Number] = measured
	}
	if err := os.WriteFile(page, []byte(faults.Page(figures)), 0o644); err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d rows failed: %s", len(failed), tried, strings.Join(failed, ", "))
	}
	fmt.Printf("%d of %d rows passed\n", tried, tried)
	return nil
}

// inject runs the tests of a row, and returns what they measured.
func inject(ctx context.Context, row faults.Row) (measured string, err error) {
	var figures []string
	for _, t := range row.Tests {
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", "60m", "-run", "^"+t.Name+"$", "./"+t.Package)
		cmd.Env = append(os.Environ(), "FAULTS=full", "CI=1") // what is missing is a failure
		out, err := cmd.CombinedOutput()
		if err != nil {
			return strings.Join(figures, "; "), fmt.Errorf("%s: %w\n%s", t.Name, err, tail(out))
		}
		passed := false
		for line := range strings.Lines(string(out)) {
			if _, figure, ok := strings.Cut(line, "measured: "); ok {
				figures = append(figures, strings.TrimSpace(figure))
			}
			passed = passed || strings.HasPrefix(line, "--- PASS: "+t.Name)
		}
		if !passed {
			return "", fmt.Errorf("%s did not run\n%s", t.Name, tail(out))
		}
	}
	if len(figures) == 0 {
		return "passed", nil
	}
	return strings.Join(figures, "; "), nil
}

// tail is the end of what a test wrote.
func tail(out []byte) []byte {
	const most = 4 << 10
	return bytes.ToValidUTF8(out[max(0, len(out)-most):], nil)
}
