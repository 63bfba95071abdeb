//go:build unix

package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

// A tool is a program that go builds, once, from a module at this version.
type tool struct{ module, path, version string }

var helm = tool{"helm.sh/helm/v3", "cmd/helm", "v3.22.0"}

// args are what runs it. Where the module cannot be had at all, the test is skipped:
// nothing that could be installed is missing.
func (k tool) args(t testing.TB) []string {
	t.Helper()
	testkit.Need(t, "go")
	if out, err := exec.Command("go", "mod", "download", k.module+"@"+k.version).CombinedOutput(); err != nil {
		testkit.NotRun(t, fmt.Sprintf("needs %s, which cannot be had: %s", k.module+"@"+k.version, out))
	}
	return []string{"go", "run", k.module + "/" + k.path + "@" + k.version}
}

// output holds a command to end with 0, and returns what it writes to stdout.
func output(t testing.TB, dir string, stdin []byte, command ...string) []byte {
	t.Helper()
	testkit.Need(t, command[0])
	cmd := exec.Command(command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, &stderr)
	}
	return out
}

// decoded is a file as its owner reads it, in JSON.
func decoded(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	return output(t, "decode", stdin, append([]string{"go", "run", "."}, args...)...)
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
