//go:build !ringsteps

package ring_test

import (
	"os"
	"os/exec"
	"testing"
)

// Every order of the ring's steps is played by steps_test.go, in a build of this
// package of its own: there every word that goroutines share asks before each
// operation whose turn it is. The go command remembers a result that cannot have
// changed.
func TestEveryInterleaving(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		const missing = "NOT RUN: the interleavings of the ring's steps need the go command: %v"
		if os.Getenv("CI") != "" {
			t.Fatalf(missing, err)
		}
		t.Skipf(missing, err)
	}
	args := []string{"test", "-tags", "ringsteps", "-run", "^TestEveryInterleaving$", "-v", "."}
	if testing.Short() {
		args = append(args, "-preemptions", "-1")
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	t.Logf("%s", out)
}
