//go:build linux

package faults

import (
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

func TestFault1StoppedConsumersGoOn(t *testing.T) {
	p := program.Start(t, "-stall-timeout", "10m", "-ring-bytes", "4194304")
	n, rate, size := testkit.Sized(1000, 100), testkit.Sized(5000, 1000), testkit.Sized(500, 8000)
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	pace := newPace(0)
	stopped := crowd(t, p.Addrs[0], n, "", pace, direct)
	l := play(t, p.Addrs[0], 4, rate, size)
	time.Sleep(testkit.Sized(5*time.Second, 300*time.Millisecond))
	pace.set(true)
	before := l.p99()
	from := l.accepted.Load()
	if testkit.Full() {
		time.Sleep(30 * time.Second)
	}
	testkit.Eventually(t, "the window has gone over them", func() bool { return (l.accepted.Load()-from)*int64(size) > 6<<20 })
	during := l.p99()
	pace.set(false)
	time.Sleep(testkit.Sized(5*time.Second, 300*time.Millisecond))
	l.stop()
	published := l.accepted.Load()
	_, skipped := wantBooks(t, stopped, published)
	_, own := wantBooks(t, control, published)
	if refused := l.refused.Load(); skipped == 0 || own != 0 || refused != 0 || gone(stopped) != 0 {
		t.Errorf("they skipped %d, the others %d; %d events refused, %d consumers cut; want some, and none", skipped, own, refused, gone(stopped))
	}
	testkit.Measured(t, "%d consumers, %d events: books balance for all, %d skipped each, none cut; others skipped 0; POST p99 %v before, %v meanwhile",
		n, published, skipped/int64(n), before, during)
}

func TestFault2StoppedConsumersAreCut(t *testing.T) {
	limit := testkit.Sized(30*time.Second, 2*time.Second)
	p := program.Start(t, "-stall-timeout", limit.String())
	n := testkit.Sized(1000, 100)
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	pace := newPace(0)
	crowd(t, p.Addrs[0], n, "", pace, direct)
	l := play(t, p.Addrs[0], 2, testkit.Sized(2000, 500), 2000)
	pace.set(true)
	// Each is cut so long after the last byte that it took.
	var lag time.Time
	testkit.Eventually(t, "none of them takes anything", func() bool {
		lag = time.Now()
		return p.Metric("dispatcher_consumers_lagging") == float64(n)
	})
	testkit.Eventually(t, "all are cut", func() bool { return p.Sum("dispatcher_consumers", "wire=") == float64(len(control)) })
	took := time.Since(lag)
	l.stop()
	wantBooks(t, control, l.accepted.Load())
	stalled := p.Metric(`dispatcher_consumers_closed_total{reason="stalled"}`)
	if stalled != float64(n) || l.refused.Load() != 0 {
		t.Errorf("%v counted as stalled, %d events refused; want %d, 0", stalled, l.refused.Load(), n)
	}
	testkit.Measured(t, "%d cut as `stalled` within %.1f s (limit %v); 0 POSTs refused, others skipped 0", n, took.Seconds(), limit)
}

func TestFault4SlowConsumers(t *testing.T) {
	p := program.Start(t, "-ring-bytes", "4194304")
	n := testkit.Sized(1000, 100)
	const rate = 64_000 / 8
	slow := crowd(t, p.Addrs[0], n, "", newPace(rate), direct)
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	l := play(t, p.Addrs[0], 4, 2000, testkit.Sized(1000, 4000))
	if testkit.Full() {
		time.Sleep(time.Minute)
	} else {
		testkit.Eventually(t, "they are told that they miss events", func() bool {
			return p.Metric("dispatcher_events_skipped_total") > 0
		})
	}
	l.stop()
	wantBooks(t, control, l.accepted.Load())
	if n := gone(slow); n != 0 {
		t.Errorf("%d were cut; want none", n)
	}
	// They would read for hours what they have not got: the books are closed at will.
	slow[0].pace.mu.Lock()
	slow[0].pace.rate = 0
	slow[0].pace.mu.Unlock()
	received, skipped := wantBooks(t, slow, l.accepted.Load())
	testkit.Measured(t, "%d consumers, %d events: received %d and skipped %d each, books balance for all, 0 broken frames, 0 cut; others skipped 0",
		n, l.accepted.Load(), received/int64(n), skipped/int64(n))
}
