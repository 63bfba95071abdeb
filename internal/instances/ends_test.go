//go:build unix

package instances

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// An instance is told to end under load, with thousands of consumers: all that it
// accepted reaches everybody, here and at the other instance, which goes on.
func TestFault14TermUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL(), "-drain-window", "1s", "-drain-timeout", "80s")
	a, b := all[0], all[1]
	const (
		streams = 2000
		screens = 200
		feeds   = 10
		others  = 5 // of each kind at the other instance
		players = 4
	)
	var ledgers []*ledger
	var atA []*stream
	for range streams {
		atA = append(atA, a.listen())
	}
	for _, s := range atA {
		ledgers = append(ledgers, s.ledger)
	}
	var feedsA []*feed
	for k := range feeds {
		feedsA = append(feedsA, a.feed([]string{"/event-dispatcher", "/events"}[k%2]))
		ledgers = append(ledgers, feedsA[k].ledger)
	}
	for range others {
		ledgers = append(ledgers, b.listen().ledger, b.feed("/events").ledger)
	}
	var screensA, screensB []*socket
	for k := range screens {
		screensA = append(screensA, a.dial(fmt.Sprintf("/ws/p/u%d", k)))
	}
	for k := range others {
		screensB = append(screensB, b.dial(fmt.Sprintf("/ws/p/v%d", k)))
	}
	for i, n := range map[*instance]float64{a: screens, b: others} {
		testkit.Eventually(t, "all users are active", func() bool { return i.Metric("dispatcher_session_active_users") == n })
	}

	// Players and a user's changes at a until it refuses; a load at b all the time.
	other := b.player(100).load(50)
	var accepted [players]atomic.Int64
	var submitted atomic.Int64
	var posting sync.WaitGroup
	for k := range players {
		p := a.player(k)
		posting.Go(func() {
			for p.Post() == nil {
				accepted[k].Add(1)
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	posting.Go(func() {
		for n := 0; ; n++ {
			status, _, _ := a.Post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u0","cardId":"c","data":"%d","practiceId":"p"}`, n))
			if status != 200 {
				return
			}
			submitted.Add(1)
			time.Sleep(100 * time.Millisecond)
		}
	})
	testkit.Eventually(t, "there is load", func() bool { return accepted[0].Load() > 60 && submitted.Load() > 30 })
	if code := a.Exits(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d; want 0", code)
	}
	posting.Wait()

	for _, s := range atA {
		s.wantCleanEnd()
	}
	for _, f := range feedsA {
		f.wantClose(1001)
	}
	// An answer may be lost on its way to a player, its event is not: consumers
	// may have one more of each player than what he knows of.
	sure := int(submitted.Load())
	for _, s := range screensA {
		if n := s.wantClose(1001); n < sure || n > sure+1 {
			t.Errorf("a screen got %d of %d events", n, sure)
		}
		s.wantNoneTwice()
	}
	for _, s := range screensB {
		testkit.Eventually(t, "what was submitted is at the other instance", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.seen) >= sure
		})
		s.wantNoneTwice()
	}
	for _, l := range ledgers {
		for k := range players {
			sure := int(accepted[k].Load())
			testkit.Eventually(t, "what was accepted arrived", func() bool { return len(l.of(k, 0, sure)) == sure || parted(t, a, b) })
			if more := len(l.of(k, sure+1, 1<<30)); more > 0 {
				t.Errorf("%d events arrived that were not accepted", more)
			}
		}
	}
	before := other.sent()
	testkit.Eventually(t, "the other instance goes on", func() bool { return other.sent() > before+50 })
	other.stop()
	for _, l := range ledgers[streams+feeds:] {
		testkit.Eventually(t, "the other's consumers get its own", func() bool {
			return len(l.of(other.id, 0, other.sent())) == other.sent() || parted(t, a, b)
		})
	}
	for _, l := range ledgers {
		l.wantNoGap(a, b)
	}
	if gaps := b.gaps(); gaps != 0 && !parted(t, a, b) {
		t.Errorf("gaps at the other instance = %v; want 0", gaps)
	}
	var events int64
	for k := range accepted {
		events += accepted[k].Load()
	}
	testkit.Measured(t, "%d streams, %d WebSocket streams and %d screens: all of %d events and %d submissions at each, exit 0; the other instance has no gap",
		streams, feeds, screens, events, submitted.Load())
}

// What is accepted while Redis is slow reaches the other instance, though this one
// has nothing else to wait for before it ends.
func TestTermWaitsForASlowRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL(), "-drain-window", "0")
	far, p := all[1].listen(), all[0].player(1)
	server.Pause(800 * time.Millisecond)
	p.publish(20)
	if code := all[0].Exits(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code = %d; want 0", code)
	}
	far.wantBooks(20)
	far.wantNoGap(all...)
}

// An instance dies: consumers of the other have the beginning of what it took,
// and its users are logged out once its word for them has ended.
func TestFault15KillLeavesNoGapUntold(t *testing.T) { overEach(t, testFault15KillLeavesNoGapUntold) }

func testFault15KillLeavesNoGapUntold(t *testing.T, c carrier) {
	server, all := c.redis, c.startAll(2)
	a, b := all[0], all[1]
	far, bob := b.listen(), b.dial("/ws/p/bob")
	const users = 5
	for k := range users {
		a.dial(fmt.Sprintf("/ws/p/u%d", k))
	}
	a.dial("/ws/p/both")
	b.dial("/ws/p/both")
	for i, n := range map[*instance]float64{a: users + 1, b: 2} {
		testkit.Eventually(t, "all users are active", func() bool { return i.Metric("dispatcher_session_active_users") == n })
	}
	testkit.Eventually(t, "the other instance can know", func() bool {
		return len(strings.Fields(server.Do("SMEMBERS", "users"))) == users+2
	})
	for k := range users {
		status, header, err := a.Post("/poc/submit_update_event", fmt.Sprintf(`{"username":"u%d","cardId":"c","practiceId":"p"}`, k))
		if status != 200 {
			t.Fatalf("submit = %d, %v; want 200", status, err)
		}
		bob.wantEvent(header.Get("X-Event-Id"))
	}
	p := a.player(1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for p.Post() == nil {
		}
	}()
	testkit.Eventually(t, "events flow", func() bool { r, _ := far.books(); return r > 500 })
	a.Exits(syscall.SIGKILL)
	<-stopped
	last := b.player(2)
	last.publish(1)
	testkit.Eventually(t, "the other goes on", func() bool { return len(far.of(2, 0, 1)) == 1 })
	// What came is a's beginning, without a hole; what it had not yet sent died
	// with it. The answer to the last one may have, too.
	n := len(far.of(1, 0, 1<<30))
	if _, skipped := far.books(); n != len(far.of(1, 0, n+skipped)) || n+skipped > p.sent()+1 {
		t.Errorf("received %d events and was told of %d skipped, of %d, not the first; want a prefix", n, skipped, p.sent())
	}
	far.wantNoGap(a, b)
	testkit.Measured(t, "of %d events answered 200 the other instance's consumer got the first %d, none twice, 0 gaps untold", p.sent(), n)

	gone := map[string]int{}
	for len(gone) < users {
		if e := bob.next(); e.Action == "USER_LOGOUT" {
			gone[e.Source]++
		} else {
			t.Errorf("event = %+v; want logouts only", e)
		}
	}
	_, header, _ := b.Post("/poc/submit_update_event", `{"username":"bob","cardId":"c","practiceId":"p"}`)
	for e := bob.next(); e.ID != header.Get("X-Event-Id"); e = bob.next() {
		t.Errorf("event = %+v; want nothing after the logouts", e)
	}
	bob.wantNoneTwice()
	for k := range users {
		if n := gone[fmt.Sprintf("u%d", k)]; n != 1 {
			t.Errorf("u%d was logged out %d times; want once", k, n)
		}
	}
	if got := server.Do("EXISTS", "p/u0:UPDATING_CARD", "p/u0:SOCKETS"); got != "0" {
		t.Errorf("%s keys of a user are left; want none", got)
	}
	if users := strings.Fields(server.Do("SMEMBERS", "users")); len(users) != 2 {
		t.Errorf("active users are %v; want both and bob", users)
	}
}

// Three instances, all of them publishing.
func TestEveryConsumerOfThreeInstancesGetsEverything(t *testing.T) {
	overEach(t, testEveryConsumerOfThreeInstancesGetsEverything)
}

func testEveryConsumerOfThreeInstancesGetsEverything(t *testing.T, c carrier) {
	all := c.startAll(3)
	var streams []*stream
	for _, i := range all {
		streams = append(streams, i.listen())
	}
	const each = 1000
	var players sync.WaitGroup
	for k, i := range all {
		p := i.player(k)
		players.Go(func() {
			for p.sent() < each {
				if err := p.Post(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	players.Wait()
	for _, s := range streams {
		s.wantBooks(len(all) * each)
		s.wantNoGap(all...)
	}
}

// An instance that ends in silence writes nothing of what other instances go on taking:
// a consumer that comes back only after silence would never.
func TestDrainSilenceIsSilentOfOtherInstances(t *testing.T) { overEach(t, testDrainSilence) }

func testDrainSilence(t *testing.T, c carrier) {
	const silence = 6 * time.Second
	all := c.startAll(2, "-drain-silence", silence.String(), "-drain-window", "0")
	a, b := all[0], all[1]
	s := a.listen()
	far := b.player(2).load(200)
	testkit.Eventually(t, "events of the other instance arrive", func() bool { r, _ := s.books(); return r > 50 })
	go a.Exits(syscall.SIGTERM)
	last, at := 0, time.Now()
	testkit.Eventually(t, "the stream ends", func() bool {
		if r, _ := s.books(); r != last {
			last, at = r, time.Now()
		}
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	})
	if silent := time.Since(at); silent < silence/2 {
		t.Errorf("the last event came %v before the end of the stream; want a silence of %v", silent, silence)
	}
	far.stop()
}
