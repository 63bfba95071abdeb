package cast

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/internal/plan"
)

// bin is where TestMain builds the floors.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "cast")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		if out, err := exec.Command("go", "build", "-o", dir, "../../floor/...").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

var (
	port   = []string{"-port", "{port}"}
	server = plan.Subject{Name: "s", Program: "barehandler", Args: port}
)

func TestCompanionsComeFirstAndAreKnownByName(t *testing.T) {
	s := server
	s.Beside = []plan.Companion{
		{Name: "redis", Program: "redis-server", Installed: true, Args: []string{"--port", "{port}", "--save", ""}},
		{Name: "peer", Program: "writeloop", Args: port},
	}
	c, err := Start(context.Background(), bin, s, nil, 0)
	t.Cleanup(c.Stop)
	if err != nil {
		t.Fatal(err)
	}
	if len(c) != 3 || c[0].Name != "redis" || c[1].Name != "peer" || c.Server() != c[2] {
		t.Fatalf("the cast is %v", c)
	}
	got := c.Fill([]string{"-a", "{peer}x{redis}", "{other}"})
	if want := []string{"-a", fmt.Sprintf("%dx%d", c[1].Port, c[0].Port), "{other}"}; !slices.Equal(got, want) {
		t.Errorf("Fill = %q, want %q", got, want)
	}
	if got, want := c.Load([]string{"-url", "{port},{peer}"}), fmt.Sprintf("-url http://%s -pid %s -url %d,%d", c[2].Address(), c.PIDs(), c[2].Port, c[1].Port); strings.Join(got, " ") != want {
		t.Errorf("Load = %q, want %q", got, want)
	}
	if got, want := c.PIDs(), fmt.Sprintf("%d,%d,%d", c[0].PID(), c[1].PID(), c[2].PID()); got != want {
		t.Errorf("PIDs = %q, want %q", got, want)
	}
	c.Stop()
	for i, want := range []string{"exit status 0", "signal: terminated", "signal: terminated"} {
		if how, ended := c[i].Ended(); !ended || how != want {
			t.Errorf("%s ended: %v, %q; want %q", c[i].Name, ended, how, want)
		}
	}
}

func TestAFrozenCompanionStandsStillAndCanBeEnded(t *testing.T) {
	s := server
	s.Beside = []plan.Companion{{Name: "redis", Program: "redis-server", Installed: true, Args: []string{"--port", "{port}", "--save", ""}, Frozen: true}}
	c, err := Start(context.Background(), bin, s, nil, 0)
	t.Cleanup(c.Stop)
	if err != nil {
		t.Fatal(err)
	}
	stopped := func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c[0].PID()))
		return err == nil && strings.Contains(string(b), ") T ")
	}
	for deadline := time.Now().Add(time.Minute); !stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis runs")
		}
	}
	if how, ended := c.Server().Ended(); ended {
		t.Errorf("the server ended, too: %s", how)
	}
	if how := c[0].Server.Stop(); how != "exit status 0" {
		t.Errorf("redis ended with %s", how)
	}
}

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	s := server
	s.Beside = []plan.Companion{
		{Name: "peer", Program: "writeloop", Args: port},
		{Name: "redis", Program: "no-such-server", Installed: true, Args: port},
	}
	c, err := Start(context.Background(), bin, s, nil, 0)
	t.Cleanup(c.Stop)
	if err == nil || !strings.Contains(err.Error(), "no-such-server is not installed (Debian: apt-get install no-such-server)") {
		t.Errorf("error is %v", err)
	}
	if len(c) != 1 || c[0].Name != "peer" {
		t.Errorf("the cast is %v, want the one that was started", c)
	}
}
