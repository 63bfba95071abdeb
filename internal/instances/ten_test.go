//go:build unix

package instances

import (
	"flag"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/testkit"
)

// Ten instances take this long; go test -ten 20s ./internal/instances -run Ten.
var ten = flag.Duration("ten", 2*time.Second, "how long ten instances are under load")

// Ten instances and one more take 5,000 events/s in all, or what the machine can. Each of
// the ten has a consumer, who can account for every event of every instance; to the one
// more, which has none, nothing is sent: neither by its own count nor by the server's.
func TestTenInstancesAccountForEverything(t *testing.T) {
	t.Parallel()
	const (
		instances = 10
		rate      = 5000 / (instances + 1)
	)
	server := natstest.StartWith(t, `authorization { users: [ {user: crowd, password: p}, {user: quiet, password: p} ] }`)
	run := func(user string) *instance {
		return start(t, "-relay", "nats://"+user+":p@"+server.Addr, "-ring-bytes", "16777216", "-max-body", "16384", "-loops", "1")
	}
	var all []*instance
	for range instances {
		all = append(all, run("crowd"))
	}
	quiet := run("quiet")
	together(t, append(all, quiet)...)
	var streams []*stream
	for _, i := range all {
		streams = append(streams, i.listen())
	}
	var loads []*load
	for k, i := range append(all, quiet) {
		p := i.player(k)
		p.publish(1) // however slow the machine is
		loads = append(loads, p.load(rate))
	}
	time.Sleep(*ten)
	var stopping sync.WaitGroup
	for _, l := range loads {
		stopping.Go(l.stop)
	}
	stopping.Wait()
	total := 0
	for _, l := range loads {
		total += l.sent()
	}
	received, skipped := 0, 0
	for _, s := range streams {
		s.wantBooks(total)
		r, n := s.books()
		received, skipped = received+r, skipped+n
	}
	t.Logf("%d events in %v at %d instances: %d received and %d skipped by %d consumers", total, *ten, len(loads), received, skipped, len(streams))
	if n := quiet.Metric(channels); n != 0 {
		t.Errorf("the instance without consumers has %v subscriptions; want 0", n)
	}
	if n := quiet.Sum("dispatcher_relay_received_events_total", `events="firehose"`); n != 0 {
		t.Errorf("the instance without consumers got %v events; want 0", n)
	}
	if n := server.Subscriptions(); n != instances {
		t.Errorf("the server has %d subscriptions; want one for each of the %d instances with consumers", n, instances)
	}
	var got, others natstest.Traffic
	testkit.Eventually(t, "the server has counted what it sent", func() bool { // it does after the fact
		got, others = server.Of("quiet"), server.Of("crowd")
		return got.In > 0 && others.Out > 0
	})
	if got.Out != 0 {
		t.Errorf("the server sent the instance without consumers %d messages; want 0", got.Out)
	}
	t.Logf("messages, by the server: %+v of the instance without consumers, %+v of the others", got, others)
}
