//go:build unix

package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"event-dispatcher/internal/testkit"
)

const root = "../../deploy/"

// runs holds a command to end with 0.
func runs(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	testkit.Need(t, name)
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestAlertsAreRulesThatFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	runs(t, root+"prometheus", "promtool", "check", "rules", "alerts.yml")
	runs(t, root+"prometheus", "promtool", "test", "rules", "alerts_test.yml")
}

func TestChartHasTheSameAlerts(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(root + "prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(root + "helm/event-dispatcher/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the chart's alerts.yml differs from prometheus/alerts.yml; want a copy")
	}
}

func TestSystemdUnderstandsTheUnits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"event-dispatcher.service", "event-dispatcher.socket"} {
		unit, err := os.ReadFile(root + "systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		// The program is not installed where the unit has it.
		unit = bytes.ReplaceAll(unit, []byte("/usr/bin/event_dispatcher"), []byte("/bin/true"))
		if err := os.WriteFile(filepath.Join(dir, name), unit, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runs(t, dir, "systemd-analyze", "verify", "./event-dispatcher.service", "./event-dispatcher.socket")
}
