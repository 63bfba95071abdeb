//go:build unix

package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// The files that are mounted are there, or made by certificate.sh, and the program
// takes the environment.
func TestComposeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "openssl")
	text, err := os.ReadFile(root + "compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	script, err := filepath.Abs(root + "compose/certificate.sh")
	if err != nil {
		t.Fatal(err)
	}
	runs(t, made, "sh", script)
	mounts := regexp.MustCompile(`(?m)^ +- (\.[^:\n]+):/`).FindAllSubmatch(text, -1)
	for _, m := range mounts {
		_, here := os.Stat(filepath.Join(root, "compose", string(m[1])))
		_, there := os.Stat(filepath.Join(made, string(m[1])))
		if here != nil && there != nil {
			t.Errorf("compose.yaml mounts %s, which is not there", m[1])
		}
	}
	_, rest, _ := bytes.Cut(text, []byte("environment: &environment\n"))
	var env []string
	variable := regexp.MustCompile(`^    ([A-Z_]+): (.+)$`)
	for line := range strings.Lines(string(rest)) {
		m := variable.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			break
		}
		env = append(env, m[1]+"="+m[2])
	}
	if len(mounts) < 6 || len(env) < 5 {
		t.Fatalf("compose.yaml has %d mounts and the environment %q; want all", len(mounts), env)
	}
	cmd := program.Command(t, env, "-check")
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); failed || !strings.Contains(string(out), "configuration OK") || strings.Contains(string(out), "nothing reads") {
		t.Errorf("with the environment %q: %v\n%s", env, err, out)
	}
}
