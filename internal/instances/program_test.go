//go:build unix

package instances

import (
	"flag"
	"os"
	"testing"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

const patience = testkit.Patience

func TestMain(m *testing.M) {
	// The tests mostly wait: for a minute of an outage, for a lease to end. All
	// do so at the same time, however few processors there are.
	flag.Parse()
	flag.Set("test.parallel", "64")
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// An instance is one running program.
type instance struct {
	*program.Program
	t testing.TB
}

// start runs the program on a free port, or where "-port" says.
func start(t testing.TB, args ...string) *instance {
	t.Helper()
	return &instance{program.Start(t, args...), t}
}

// startAll starts n instances that share a Redis, and waits until they hear each other.
func startAll(t testing.TB, n int, url string, args ...string) []*instance {
	t.Helper()
	all := make([]*instance, n)
	for k := range all {
		all[k] = start(t, append([]string{"-redis", url}, args...)...)
	}
	together(t, all...)
	return all
}

// together waits until the instances hear each other.
func together(t testing.TB, all ...*instance) {
	t.Helper()
	for _, i := range all {
		testkit.Eventually(t, "the instances hear each other", func() bool {
			return i.Metric(`dispatcher_relay_up{events="firehose"}`) == 1 && i.Metric(`dispatcher_relay_up{events="sessions"}`) == 1 &&
				i.Metric("dispatcher_session_store_up") == 1 && i.Metric("dispatcher_relay_origins") >= float64(len(all)-1)
		})
	}
}
