//go:build unix

package instances

import (
	"flag"
	"os"
	"slices"
	"sync/atomic"
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

	relay bool        // there are others
	store bool        // sessions are shared
	found atomic.Bool // the server was there
	hears atomic.Bool // it has had a consumer, and heard the others
}

// start runs the program on a free port, or where "-port" says.
func start(t testing.TB, args ...string) *instance {
	t.Helper()
	i := &instance{Program: program.Start(t, args...), t: t}
	i.store = slices.Contains(args, "-redis")
	i.relay = i.store || slices.Contains(args, "-relay")
	return i
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

// together waits until the instances can publish, and hear each other as far as they
// have consumers.
func together(t testing.TB, all ...*instance) {
	t.Helper()
	for _, i := range all {
		testkit.Eventually(t, "the instances are together", func() bool {
			return i.Metric(`dispatcher_relay_up{events="firehose"}`) == 1 &&
				(!i.store || i.Metric(`dispatcher_relay_up{events="sessions"}`) == 1 && i.Metric("dispatcher_session_store_up") == 1) &&
				(!i.hears.Load() || i.Metric(channels) > 0)
		})
		i.found.Store(true)
	}
}

const channels = `dispatcher_relay_subscribed_channels{events="firehose"}`

// hear waits until an instance with its first consumer has what it subscribes to, if
// the test has had it find a server. What the others publish before never comes.
func (i *instance) hear() {
	i.t.Helper()
	if !i.relay || i.hears.Load() || !i.found.Load() {
		return
	}
	testkit.Eventually(i.t, "the instance hears the others", func() bool { return i.Metric(channels) > 0 })
	i.hears.Store(true)
}
