//go:build unix

package instances

import (
	"flag"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/natstest"
)

// Ten instances take this long; go test -ten 20s ./internal/instances -run Ten.
var ten = flag.Duration("ten", 2*time.Second, "how long ten instances are under load")

// Ten instances take 5,000 events/s in all. Nine have a consumer each, who can account
// for every event; to the tenth, which has none, nothing is sent.
func TestTenInstancesAccountForEverything(t *testing.T) {
	t.Parallel()
	const (
		instances = 10
		rate      = 5000 / instances
	)
	server := natstest.Start(t)
	all := make([]*instance, instances)
	for k := range all {
		all[k] = start(t, "-relay", server.URL(), "-ring-bytes", "16777216", "-max-body", "16384", "-loops", "1")
	}
	together(t, all...)
	var streams []*stream
	for _, i := range all[1:] {
		streams = append(streams, i.listen())
	}
	idle := all[0]
	var loads []*load
	for k, i := range all {
		loads = append(loads, i.player(k).load(rate))
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
	skipped := 0
	for _, s := range streams {
		s.wantBooks(total)
		_, n := s.books()
		skipped += n
	}
	t.Logf("%d events in %v at %d instances, %d of %d skipped", total, *ten, instances, skipped, total*len(streams))
	if n := idle.Metric(channels); n != 0 {
		t.Errorf("the instance without consumers has %v subscriptions; want 0", n)
	}
	if n := idle.Sum("dispatcher_relay_received_events_total", `events="firehose"`); n != 0 {
		t.Errorf("the instance without consumers got %v events; want 0", n)
	}
	if n := server.Subscriptions(); n != len(streams) {
		t.Errorf("the server has %d subscriptions; want one for each of the %d instances with consumers", n, len(streams))
	}
}
