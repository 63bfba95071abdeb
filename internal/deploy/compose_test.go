//go:build unix

package deploy

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// A project is what of a Compose file is held to something.
type project struct {
	Services map[string]struct {
		Build           struct{ Context, Dockerfile string }
		Image           string
		Environment     map[string]string
		ReadOnly        bool     `json:"read_only"`
		CapDrop         []string `json:"cap_drop"`
		StopGracePeriod string   `json:"stop_grace_period"`
		Volumes         []struct{ Source, Target string }
		Networks        map[string]any
	}
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
}

// composed is the project as Compose reads it, held to the schema of the specification.
func composed(t testing.TB) (p project) {
	t.Helper()
	if err := json.Unmarshal(decoded(t, nil, "compose", "../../../deploy/compose/compose.yaml"), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// wantTaken holds the program to read all of an environment, and to find it in order.
func wantTaken(t testing.TB, env map[string]string) {
	t.Helper()
	out, err := program.Command(t, lines(env), "-check").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "configuration OK") || strings.Contains(string(out), "nothing reads") {
		t.Errorf("-check with the environment %q: %v\n%s", env, err, out)
	}
}

// The files that are mounted are there, or made by certificate.sh, and each image is of
// one version.
func TestComposeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "openssl")
	made := t.TempDir()
	script, err := filepath.Abs(root + "compose/certificate.sh")
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Dir(script)
	runs(t, made, "sh", script)
	mounts := 0
	for name, s := range composed(t).Services {
		for _, m := range s.Volumes {
			mounts++
			below, err := filepath.Rel(here, m.Source)
			if err != nil {
				t.Fatal(err)
			}
			_, there := os.Stat(m.Source)
			_, asMade := os.Stat(filepath.Join(made, below))
			if there != nil && asMade != nil {
				t.Errorf("%s mounts %s, which is not there", name, m.Source)
			}
		}
		if s.Build.Context == "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s runs %s; want a version", name, s.Image)
		}
		if file := filepath.Join(s.Build.Context, s.Build.Dockerfile); s.Build.Context != "" {
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s is built from %s: %v", name, file, err)
			}
		}
	}
	if mounts < 7 {
		t.Errorf("there are %d mounts; want all", mounts)
	}
}

// The instances take their environment, are let end by themselves, and believe the proxy,
// which is in their network and knows both.
func TestComposeRunsTwoInstances(t *testing.T) {
	t.Parallel()
	p := composed(t)
	upstream := read(t, root+"compose/upstream.conf")
	targets := read(t, root+"compose/prometheus.yml")
	for _, name := range []string{"one", "two"} {
		s, ok := p.Services[name]
		if !ok {
			t.Fatalf("there is no instance %s", name)
		}
		wantTaken(t, s.Environment)
		if !strings.Contains(upstream, "server "+name+":3569 ") {
			t.Errorf("upstream.conf is without %s:3569:\n%s", name, upstream)
		}
		_, port, _ := net.SplitHostPort(s.Environment["ADMIN_ADDR"])
		if !strings.Contains(targets, `"`+name+":"+port+`"`) {
			t.Errorf("prometheus.yml is without %s:%s:\n%s", name, port, targets)
		}
		grace, err := time.ParseDuration(s.StopGracePeriod)
		if err != nil {
			t.Fatal(err)
		}
		drain, err := time.ParseDuration(s.Environment["DRAIN_TIMEOUT"])
		if err != nil {
			t.Fatal(err)
		}
		if grace < drain+5*time.Second || !s.ReadOnly || len(s.CapDrop) != 1 {
			t.Errorf("%s: killed after %v, DRAIN_TIMEOUT %v, read only %v, without %v; want 5 s more, and no rights", name, grace, drain, s.ReadOnly, s.CapDrop)
		}
		for network := range s.Networks {
			if _, shared := p.Services["proxy"].Networks[network]; !shared || p.Networks[network].IPAM.Config[0].Subnet != s.Environment["TRUSTED_PROXIES"] {
				t.Errorf("%s believes %s; the proxy is not there", name, s.Environment["TRUSTED_PROXIES"])
			}
		}
	}
}

// Prometheus and Grafana are given files that they take.
func TestComposeWatchesTheInstances(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules, err := filepath.Abs(root + "prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(read(t, root+"compose/prometheus.yml"), "/etc/prometheus/rules/alerts.yml", rules, 1)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, dir, "promtool", "check", "config", file)
	grafana := composed(t).Services["grafana"]
	mounted := map[string]string{}
	for _, m := range grafana.Volumes {
		mounted[m.Target] = m.Source
	}
	// No Grafana can be run here: the files of provisioning are held to where things are.
	datasource := read(t, mounted["/etc/grafana/provisioning"]+"/datasources/prometheus.yml")
	if !strings.Contains(datasource, `url: "http://prometheus:9090"`) || composed(t).Services["prometheus"].Image == "" {
		t.Errorf("the data source is not the service prometheus: %s", datasource)
	}
	provider := read(t, mounted["/etc/grafana/provisioning"]+"/dashboards/dispatcher.yml")
	if !strings.Contains(provider, "path: /var/lib/grafana/dashboards}") || !json.Valid([]byte(read(t, mounted["/var/lib/grafana/dashboards/event-dispatcher.json"]))) {
		t.Errorf("the dashboard is not where it is looked for: %s", provider)
	}
}
