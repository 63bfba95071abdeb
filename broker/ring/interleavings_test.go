//go:build !ringsteps

package ring_test

import (
	"os/exec"
	"testing"

	"event-dispatcher/internal/testkit"
)

// Every order of the ring's steps is played by steps_test.go, in a build of this
// package of its own: there every word that goroutines share asks before each
// operation whose turn it is. The go command remembers a result that cannot have
// changed.
func TestEveryInterleaving(t *testing.T) {
	testkit.Need(t, "go")
	args := []string{"test", "-tags", "ringsteps", "-run", "^TestEveryInterleaving$", "-v", "."}
	if testing.Short() {
		args = append(args, "-preemptions", "-1")
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	t.Logf("%s", out)
}
