//go:build unix

package deploy

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// players are the tests that play the files of deploy/ whose paths begin so; a path that
// is longer goes first.
var players = map[string]string{
	"compose/":                    "internal/deploy/compose_test.go TestComposeRunsTwoInstances",
	"docker/":                     "internal/deploy/image_test.go TestDockerfileMakesAnImageThatRuns",
	"grafana/dashboard.json":      "internal/deploy/prometheus_test.go TestQueriesOfDashboardAndAlertsFindSomething",
	"grafana/provisioning/":       "internal/deploy/compose_test.go TestComposeWatchesTheInstances", // held to names: no Grafana runs here
	"helm/":                       "internal/deploy/chart_test.go TestChartWithEverythingOn",
	"helm/event-dispatcher/alert": "internal/deploy/deploy_test.go TestChartHasTheSameAlerts",
	"packages/":                   "internal/deploy/packages_test.go TestPackages",
	"prometheus/":                 "internal/deploy/deploy_test.go TestAlertsAreRulesThatFireWhenTheyShould",
	"proxies/":                    "e2e/proxies_test.go TestProxiesOfDeploySpeakHTTP2",
	"systemd/":                    "internal/deploy/deploy_test.go TestSystemdUnderstandsTheUnits",
}

// No file of deploy/ is there that nothing has tried.
func TestEveryFileIsPlayed(t *testing.T) {
	t.Parallel()
	left := map[string]bool{}
	for begin := range players {
		left[begin] = true
	}
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		longest := ""
		for begin := range players {
			if strings.HasPrefix(path, begin) && len(begin) > len(longest) {
				longest = begin
			}
		}
		if longest == "" {
			t.Errorf("no test plays deploy/%s", path)
			return nil
		}
		left[longest] = false
		file, name, _ := strings.Cut(players[longest], " ")
		if !strings.Contains(read(t, "../../"+file), "func "+name+"(") {
			t.Errorf("deploy/%s is to be played by %s, which is not there", path, players[longest])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for begin, unused := range left {
		if unused {
			t.Errorf("no file begins with deploy/%s", begin)
		}
	}
}
