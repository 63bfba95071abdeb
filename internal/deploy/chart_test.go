//go:build unix

package deploy

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// What of the manifests is held to something.
type (
	labels map[string]string

	object struct {
		Kind     string
		Metadata struct {
			Name   string
			Labels labels
		}
		Spec json.RawMessage
	}

	workload struct {
		Replicas *int
		Selector struct{ MatchLabels labels }
		Template struct {
			Metadata struct{ Labels labels }
			Spec     pod
		}
	}

	pod struct {
		TerminationGracePeriodSeconds int
		AutomountServiceAccountToken  *bool
		SecurityContext               struct {
			RunAsNonRoot bool
			RunAsUser    int
		}
		Containers []container
		Volumes    []struct {
			Name   string
			Secret struct{ SecretName string }
		}
		NodeSelector labels
		Tolerations  []struct{ Key string }
	}

	container struct {
		Image         string
		Command, Args []string
		Env           []struct{ Name, Value string }
		EnvFrom       []struct{ SecretRef struct{ Name string } }
		Ports         []struct {
			Name          string
			ContainerPort int
		}
		StartupProbe, ReadinessProbe, LivenessProbe probe
		VolumeMounts                                []struct{ Name, MountPath string }
		SecurityContext                             struct {
			AllowPrivilegeEscalation *bool
			ReadOnlyRootFilesystem   bool
			Capabilities             struct{ Drop []string }
		}
		Resources struct{ Limits, Requests map[string]any }
	}

	probe struct {
		HTTPGet                                         struct{ Path, Port string }
		PeriodSeconds, TimeoutSeconds, FailureThreshold int
	}

	service struct {
		Selector labels
		Ports    []struct{ Name, TargetPort string }
	}
)

// A chart is what it has Kubernetes create, with some values.
type chart struct {
	t       testing.TB
	objects []object
}

func rendered(t testing.TB, flags ...string) chart {
	t.Helper()
	run := helm.args(t)
	// What go builds takes itself for a helm of Kubernetes 1.20.
	flags = append([]string{root + "helm/event-dispatcher", "--kube-version", "1.33"}, flags...)
	output(t, ".", nil, slices.Concat(run, []string{"lint", "--strict"}, flags)...)
	manifests := output(t, ".", nil, slices.Concat(run, []string{"template", "events"}, flags)...)
	c := chart{t: t}
	if err := json.Unmarshal(decoded(t, manifests, "kubernetes"), &c.objects); err != nil {
		t.Fatal(err)
	}
	return c
}

// spec reads that of the object into v.
func (c chart) spec(kind, name string, v any) {
	c.t.Helper()
	for _, o := range c.objects {
		if o.Kind == kind && o.Metadata.Name == name {
			if err := json.Unmarshal(o.Spec, v); err != nil {
				c.t.Fatalf("%s %s: %v", kind, name, err)
			}
			return
		}
	}
	c.t.Fatalf("the chart has no %s called %s", kind, name)
}

// deployment is the only one, with its only container.
func (c chart) deployment() (workload, container) {
	c.t.Helper()
	var w workload
	c.spec("Deployment", "events", &w)
	if n := len(w.Template.Spec.Containers); n != 1 {
		c.t.Fatalf("a pod has %d containers; want one", n)
	}
	return w, w.Template.Spec.Containers[0]
}

func (c chart) wantKinds(want ...string) {
	c.t.Helper()
	var got []string
	for _, o := range c.objects {
		got = append(got, o.Kind+"/"+o.Metadata.Name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.t.Errorf("the chart creates %q; want %q", got, want)
	}
}

func (l labels) match(all labels) bool {
	for k, v := range l {
		if all[k] != v {
			return false
		}
	}
	return len(l) > 0
}

// env is the environment of a container.
func (c container) env() map[string]string {
	all := map[string]string{}
	for _, e := range c.Env {
		all[e.Name] = e.Value
	}
	return all
}

// value is what a line of Chart.yaml or values.yaml has behind a name.
func value(t testing.TB, file, name string) string {
	t.Helper()
	for line := range strings.Lines(read(t, root+"helm/event-dispatcher/"+file)) {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	t.Fatalf("%s has no %s", file, name)
	return ""
}

func TestChartWithItsDefaults(t *testing.T) {
	t.Parallel()
	c := rendered(t)
	c.wantKinds("Deployment/events", "Service/events", "Service/events-admin", "PodDisruptionBudget/events")
	w, box := c.deployment()
	if want := "event-dispatcher:" + value(t, "Chart.yaml", "appVersion"); box.Image != want {
		t.Errorf("image = %s; want %s", box.Image, want)
	}
	if w.Replicas == nil || strconv.Itoa(*w.Replicas) != value(t, "values.yaml", "replicas") {
		t.Errorf("replicas = %v; want those of values.yaml", w.Replicas)
	}
	if len(box.EnvFrom)+len(box.VolumeMounts)+len(w.Template.Spec.Volumes) > 0 {
		t.Errorf("a pod has %v, %v; want no secrets", box.EnvFrom, box.VolumeMounts)
	}
	c.wantSound(nil)
}

func TestChartWithEverythingOn(t *testing.T) {
	t.Parallel()
	c := rendered(t, "--values", "testdata/everything.yaml")
	c.wantKinds("Deployment/events", "Service/events", "Service/events-admin", "PodDisruptionBudget/events",
		"HorizontalPodAutoscaler/events", "Ingress/events", "ServiceMonitor/events", "PrometheusRule/events")
	w, box := c.deployment()
	if w.Replicas != nil {
		t.Errorf("replicas = %d; want none, which the autoscaler would be reset to", *w.Replicas)
	}
	if want := "registry.example.org/event-dispatcher:1.2.3"; box.Image != want {
		t.Errorf("image = %s; want %s", box.Image, want)
	}
	if len(box.EnvFrom) != 1 || box.EnvFrom[0].SecretRef.Name != "dispatcher-settings" {
		t.Errorf("the environment is from %v; want the secret, too", box.EnvFrom)
	}
	s := w.Template.Spec
	if s.NodeSelector["kubernetes.io/arch"] != "amd64" || len(s.Tolerations) != 1 {
		t.Errorf("pods go to %v, %v; want what the values say", s.NodeSelector, s.Tolerations)
	}
	if len(s.Volumes) != 1 || len(box.VolumeMounts) != 1 || s.Volumes[0].Secret.SecretName != "dispatcher-access" || s.Volumes[0].Name != box.VolumeMounts[0].Name {
		t.Fatalf("volumes %v, mounts %v; want the access secret", s.Volumes, box.VolumeMounts)
	}
	// The secret, where it is mounted.
	mounted := t.TempDir()
	if err := os.WriteFile(filepath.Join(mounted, "access.json"), []byte(`{"anonymous": {"roles": ["publish"]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.wantSound(func(v string) string { return strings.Replace(v, box.VolumeMounts[0].MountPath, mounted, 1) })
	if env := box.env(); env["ACCESS"] == "" || env["REDIS"] == "" || env["KEEP_ALIVE"] != "15s" {
		t.Errorf("the environment = %v; want access and settings in it", env)
	}

	var hpa struct {
		ScaleTargetRef           struct{ APIVersion, Kind, Name string }
		MinReplicas, MaxReplicas int
		Metrics                  []struct{ Type string }
	}
	c.spec("HorizontalPodAutoscaler", "events", &hpa)
	if r := hpa.ScaleTargetRef; r.APIVersion+" "+r.Kind+" "+r.Name != "apps/v1 Deployment events" || hpa.MinReplicas != 3 || hpa.MaxReplicas != 9 || len(hpa.Metrics) != 2 {
		t.Errorf("the autoscaler = %+v; want 3 to 9 of the deployment, by CPU and consumers", hpa)
	}
	var ingress struct {
		TLS   []struct{ Hosts, SecretName any }
		Rules []struct {
			Host string
			HTTP struct {
				Paths []struct {
					Path    string
					Backend struct {
						Service struct {
							Name string
							Port struct{ Name string }
						}
					}
				}
			}
		}
	}
	c.spec("Ingress", "events", &ingress)
	if len(ingress.TLS) != 1 || ingress.TLS[0].SecretName != "events-tls" || len(ingress.Rules) != 1 || ingress.Rules[0].Host != "events.example.org" {
		t.Fatalf("the ingress = %+v; want one host with TLS", ingress)
	}
	if b := ingress.Rules[0].HTTP.Paths[0].Backend.Service; b.Name != "events" || b.Port.Name != "http" {
		t.Errorf("the ingress leads to %+v; want the service for everybody", b)
	}
}

// wantSound holds the deployment to what the program needs; path says where a file of
// the container is here.
func (c chart) wantSound(path func(string) string) {
	c.t.Helper()
	t := c.t
	w, box := c.deployment()
	if !w.Selector.MatchLabels.match(w.Template.Metadata.Labels) {
		t.Errorf("the deployment selects %v; its pods are %v", w.Selector.MatchLabels, w.Template.Metadata.Labels)
	}
	var budget struct {
		MaxUnavailable int
		Selector       struct{ MatchLabels labels }
	}
	c.spec("PodDisruptionBudget", "events", &budget)
	if budget.MaxUnavailable != 1 || !budget.Selector.MatchLabels.match(w.Template.Metadata.Labels) {
		t.Errorf("the budget = %+v; want one of the pods %v", budget, w.Template.Metadata.Labels)
	}
	ports := map[string]string{}
	for _, p := range box.Ports {
		ports[p.Name] = strconv.Itoa(p.ContainerPort)
	}
	for name, port := range map[string]string{"events": "http", "events-admin": "admin"} {
		var s service
		c.spec("Service", name, &s)
		if !s.Selector.match(w.Template.Metadata.Labels) || len(s.Ports) != 1 || s.Ports[0].TargetPort != port || ports[port] == "" {
			t.Errorf("the service %s = %+v; want the port %s of the pods", name, s, port)
		}
	}
	c.wantConfined(w.Template.Spec, box)
	c.wantDrained(w.Template.Spec, box)
	c.wantRunning(box, ports, path)
}

// wantConfined holds a pod to no rights: it is no root, gets none, and writes nothing.
func (c chart) wantConfined(p pod, box container) {
	c.t.Helper()
	no := func(b *bool) bool { return b != nil && !*b }
	if s := p.SecurityContext; !s.RunAsNonRoot || s.RunAsUser == 0 || !no(p.AutomountServiceAccountToken) {
		c.t.Errorf("the pod's context = %+v; want a user without rights", s)
	}
	if s := box.SecurityContext; !no(s.AllowPrivilegeEscalation) || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		c.t.Errorf("the container's context = %+v; want no rights and no writing", s)
	}
	if box.Resources.Limits["memory"] == nil || box.Resources.Requests["cpu"] == nil {
		c.t.Errorf("resources = %+v; want a limit of memory and a request of CPU", box.Resources)
	}
}

// wantDrained holds a pod to be found not ready before its addresses are closed, and to
// be let end by itself.
func (c chart) wantDrained(p pod, box container) {
	c.t.Helper()
	env := box.env()
	lead, err := time.ParseDuration(env["DRAIN_LEAD"])
	if err != nil {
		c.t.Fatal(err)
	}
	timeout, err := time.ParseDuration(env["DRAIN_TIMEOUT"])
	if err != nil {
		c.t.Fatal(err)
	}
	r := box.ReadinessProbe
	if found := time.Duration(r.PeriodSeconds*r.FailureThreshold+max(r.TimeoutSeconds, 1)) * time.Second; found >= lead || lead >= timeout {
		c.t.Errorf("found not ready after %v, DRAIN_LEAD %v, DRAIN_TIMEOUT %v; want each longer than the one before", found, lead, timeout)
	}
	// The lead is a part of the time-out; docs/operations.md wants 5 s more.
	if grace := time.Duration(p.TerminationGracePeriodSeconds) * time.Second; grace < timeout+5*time.Second {
		c.t.Errorf("killed after %v; want 5 s more than DRAIN_TIMEOUT %v", grace, timeout)
	}
}

// wantRunning holds the program to take what a container gives it, and to answer the
// probes.
func (c chart) wantRunning(box container, ports map[string]string, path func(string) string) {
	c.t.Helper()
	if len(box.Command)+len(box.Args) > 0 {
		c.t.Errorf("the container runs %q %q; want what the image runs", box.Command, box.Args)
	}
	env := box.env()
	if path != nil {
		env["ACCESS"] = path(env["ACCESS"])
	}
	wantTaken(c.t, env)
	if _, admin, _ := net.SplitHostPort(env["ADMIN_ADDR"]); admin != ports["admin"] {
		c.t.Errorf("ADMIN_ADDR = %s; the port is %s", env["ADMIN_ADDR"], ports["admin"])
	}
	delete(env, "ADMIN_ADDR") // to a free one
	delete(env, "REDIS")      // there is none of this name
	cmd := program.Command(c.t, lines(env), "-port", "127.0.0.1:0", "-admin-addr", "127.0.0.1:0")
	p := program.Run(c.t, cmd, 1)
	for name, probe := range map[string]probe{"startup": box.StartupProbe, "readiness": box.ReadinessProbe, "liveness": box.LivenessProbe} {
		if probe.HTTPGet.Port != "admin" {
			c.t.Errorf("the %s probe asks the port %s; want admin", name, probe.HTTPGet.Port)
		}
		testkit.Eventually(c.t, "the "+name+" probe succeeds", func() bool {
			resp, err := http.Get("http://" + p.Admin + probe.HTTPGet.Path)
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
}

// lines is an environment as a process has it.
func lines(env map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// What the operator finds is what the alerts ask for.
func TestChartIsWatched(t *testing.T) {
	t.Parallel()
	c := rendered(t, "--values", "testdata/everything.yaml")
	var monitor struct {
		JobLabel  string
		Selector  struct{ MatchLabels labels }
		Endpoints []struct{ Port, Path, Interval string }
	}
	c.spec("ServiceMonitor", "events", &monitor)
	var watched []string
	for _, o := range c.objects {
		if o.Kind == "Service" && monitor.Selector.MatchLabels.match(o.Metadata.Labels) {
			watched = append(watched, o.Metadata.Name)
			if job := o.Metadata.Labels[monitor.JobLabel]; job != "event-dispatcher" {
				t.Errorf("the job is %q; the alerts are for event-dispatcher", job)
			}
		}
		if strings.HasSuffix(o.Kind, "Monitor") || o.Kind == "PrometheusRule" {
			if o.Metadata.Labels["release"] != "prometheus" {
				t.Errorf("the %s has the labels %v; want those of the values", o.Kind, o.Metadata.Labels)
			}
		}
	}
	if e := monitor.Endpoints; !slices.Equal(watched, []string{"events-admin"}) || len(e) != 1 || e[0].Port != "admin" || e[0].Path != "/metrics" || e[0].Interval != "5s" {
		t.Errorf("the monitor watches %v at %+v; want the port for operators", watched, e)
	}
	var rules json.RawMessage
	c.spec("PrometheusRule", "events", &rules)
	file := filepath.Join(t.TempDir(), "rules.yml") // JSON is YAML
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	out := output(t, ".", nil, "promtool", "check", "rules", file)
	alerts := strings.Count(read(t, root+"prometheus/alerts.yml"), "- alert:")
	if want := strconv.Itoa(alerts) + " rules found"; !strings.Contains(string(out), want) {
		t.Errorf("promtool says of the chart's rules %s; want %s", out, want)
	}
}

func TestDocumentedCommandsOfTheChart(t *testing.T) {
	t.Parallel()
	run := strings.Join(helm.args(t), " ")
	_, rest, _ := strings.Cut(read(t, "../../docs/operations.md"), "\n```sh\ngo run helm.sh")
	script, _, ok := strings.Cut("go run helm.sh"+rest, "\n```\n")
	if !ok || strings.Count(script, run) != 2 {
		t.Fatalf("docs/operations.md has the commands %q; want two of %s", script, run)
	}
	if out := output(t, "../..", nil, "sh", "-ec", script); strings.Count(string(out), "kind: Deployment") != 1 {
		t.Errorf("the commands of docs/operations.md write\n%s\nwant a deployment", out)
	}
}
