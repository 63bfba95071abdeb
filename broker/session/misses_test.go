//go:build unix

package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestWhatRedisMissesIsAnsweredHereAndWrittenLater(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond, Timeout: time.Second})
	s.Join("", "alice")
	s.Put(stored("", "alice", Viewing, "before"))

	server.Kill()
	testkit.Eventually(t, "away", func() bool { return !s.Up() })
	s.Put(stored("", "alice", Updating, "during"))
	s.Join("p", "bob")
	s.Put(stored("p", "bob", Updating, "bob"))
	expect(t, "Latest without Redis", s.Latest("", "alice"), "before during")
	expect(t, "Replay without Redis", s.Replay("p"), "bob")

	server.Restart()
	testkit.Eventually(t, "all is written", func() bool { return s.Up() && s.Stats().Missed == 0 })
	other := newRedis(t, server, RedisOptions{})
	testkit.Eventually(t, "another instance sees it", func() bool {
		return said(other.Replay("")) == "before during" && said(other.Replay("p")) == "bob" && said(other.Latest(AnyPractice, "bob")) == "bob"
	})
}

func TestFullRedisLosesNothingHere(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	s := newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond})
	s.Put(stored("", "alice", Updating, "old"))
	server.Do("CONFIG", "SET", "maxmemory", "1")
	s.Put(stored("", "alice", Updating, "new"))
	expect(t, "Latest", s.Latest("", "alice"), "new")
	if f := s.Stats().Failures; f["full"] == 0 {
		t.Errorf("failures %v; want some because Redis is full", f)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	testkit.Eventually(t, "written later", func() bool {
		return strings.Contains(server.Do("GET", "alice:UPDATING_CARD"), `"new"`) && s.Stats().Missed == 0
	})
}

// What the server missed is written, unless somebody else was later.
func TestWhatWasMissedDoesNotReplaceWhatIsNewer(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	const users = 3 * batch / 2
	var old []Event
	for n := range users {
		old = append(old, stored("p", fmt.Sprint("u", n), Updating, "old"))
	}
	newer := stored("p", "u0", Updating, "newer")
	server.Do("SET", "p/u0:UPDATING_CARD", string(newer.JSON()))
	server.Do("SET", "p/u1:UPDATING_CARD", "no event")
	server.Do("LPUSH", "p/u2:UPDATING_CARD", "no string")
	for _, e := range old {
		s.mirror.Put(e)
		s.misses.settle(s.practices.key(e), false)
	}
	if n := s.Stats().Missed; n != users {
		t.Fatalf("%d missed; want %d", n, users)
	}
	s.writes.catchUp(t.Context())
	if n := s.Stats().Missed; n != 0 {
		t.Errorf("%d still missed", n)
	}
	other := newRedis(t, server, RedisOptions{})
	for n, e := range old {
		want := "old"
		if n == 0 {
			want = "newer"
		}
		expect(t, e.Source, other.Latest("p", e.Source), want)
		expect(t, e.Source, other.Latest(AnyPractice, e.Source), want)
	}
	if ttl := server.Do("TTL", "p/u9:UPDATING_CARD"); ttl == "-1" {
		t.Error("what was missed stays for ever")
	}
}

// The relay's goroutine brings events of other instances, and must not wait for Redis,
// whatever the mirror gives up for them.
func TestDeliverSessionDoesNotWaitForRedis(t *testing.T) {
	server := redistest.Start(t)
	const own = 5
	store := newRedisAt(t, server.URL()+"?write_timeout=1h", RedisOptions{ // it takes no silence for an end
		Options: Options{MaxAbsentBytes: own * (2<<10 + entryOverhead + 100)}, Timeout: time.Hour,
	})
	testkit.Eventually(t, "store up", store.Up)
	s, w := newService(t, ServiceOptions{}, store)
	t.Cleanup(server.Continue) // before the store is closed
	text := strings.Repeat("x", 2<<10)
	for n := range own {
		s.Submit(stored("", fmt.Sprint("own", n), Updating, text))
	}
	keys := func() int { return len(strings.Fields(server.Do("KEYS", "own*:UPDATING_CARD"))) }
	if n := keys(); n != own {
		t.Fatalf("%d events are in Redis; want %d", n, own)
	}
	server.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 2 * own {
			s.DeliverSession(stored("", fmt.Sprint("other", n), Updating, text))
		}
	}()
	testkit.Eventually(t, "all shown while Redis is stopped", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	w.mu.Lock()
	shown := len(w.told)
	w.mu.Unlock()
	if shown != 3*own {
		t.Errorf("%d events are shown; want %d", shown, 3*own)
	}
	server.Continue()
	testkit.Eventually(t, "what was given up is removed from Redis", func() bool { return keys() == 0 })
}

// stopsRedis is a turn during which Redis answers nothing.
type stopsRedis struct{ *redistest.Server }

func (s stopsRedis) Lock() { s.Stop() }

func (s stopsRedis) Unlock() { s.Continue() }

// The relay's goroutine waits for the turn, so no call to Redis is made with it.
func TestMissedCallsNoRedisWithTheTurn(t *testing.T) {
	server := redistest.Start(t)
	there := newRedis(t, server, RedisOptions{})
	here := newRedisAt(t, server.URL()+"?write_timeout=1h", RedisOptions{ // it takes no silence for an end
		Options: Options{MaxAbsentBytes: 3 * (2<<10 + entryOverhead + 100)}, Timeout: time.Hour,
	})
	testkit.Eventually(t, "store up", here.Up)
	t.Cleanup(server.Continue) // before the stores are closed
	text := strings.Repeat("x", 2<<10)
	for n := range 3 {
		here.Put(stored("", fmt.Sprint("own", n), Updating, text))
		user := fmt.Sprint("other", n)
		there.Join("", user)
		there.Put(stored("", user, Updating, text))
	}
	shown := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		here.Missed(nil, time.Time{}, []string{""}, stopsRedis{server}, func(e Event) { shown <- e.Source })
	}()
	testkit.Eventually(t, "all missed events are shown", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if len(shown) != 3 {
		t.Errorf("%d events are shown; want 3", len(shown))
	}
	testkit.Eventually(t, "what was given up for them is removed from Redis", func() bool {
		return server.Do("KEYS", "own*:UPDATING_CARD") == ""
	})
}

// What another instance wrote in the place of what was given up stays.
func TestWhatWasReplacedElsewhereIsNotRemoved(t *testing.T) {
	server := redistest.Start(t)
	a := newRedis(t, server, RedisOptions{Options: Options{MaxAbsentBytes: 8 << 10}})
	b := newRedis(t, server, RedisOptions{})
	a.Put(stored("", "alice", Updating, "first"))
	b.Put(stored("", "alice", Updating, "second"))
	for n := range 10 {
		a.Put(stored("", fmt.Sprint("u", n), Updating, strings.Repeat("x", 2<<10)))
	}
	expect(t, "Latest", b.Latest("", "alice"), "second")
	if got := server.Do("EXISTS", "u0:UPDATING_CARD"); got != "0" {
		t.Error("what was given up first is still in Redis")
	}
}

// Row b: while Redis did not carry events, another instance stored some.
func TestScreensAreShownWhatTheyMissed(t *testing.T) {
	server := redistest.Start(t)
	a := newRedis(t, server, RedisOptions{Lease: time.Hour})
	s, w := newService(t, ServiceOptions{}, newRedis(t, server, RedisOptions{Lease: time.Hour}))
	for _, practice := range []string{"p", "q", ""} {
		a.Join(practice, "alice")
	}
	s.Join("p", "bob")
	s.Join("", "bob")
	known := stored("p", "alice", Viewing, "known")
	a.Put(known)
	s.DeliverSession(known)
	for _, practice := range []string{"p", "q", ""} {
		a.Put(stored(practice, "alice", Updating, "missed in "+practice))
	}
	a.Put(stored("p", "carol", Updating, "of who is not there"))
	s.Submit(stored("p", "bob", Updating, "own"))
	s.Resubscribed()
	want := []string{"known", "own", "missed in ", "missed in p"}
	shown := func() (data []string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.told {
			data = append(data, e.Data)
		}
		return data
	}
	got := shown()
	slices.Sort(got[2:])
	if !slices.Equal(got, want) {
		t.Errorf("shown %q; want %q", got, want)
	}
	s.Resubscribed()
	if again := shown(); len(again) != len(want) {
		t.Errorf("shown once more: %q; want each once", again)
	}
	// What was made long before the last look was shown, also if nobody here remembers.
	before, since := stored("p", "alice", Updating, "before"), stored("p", "alice", Viewing, "since")
	since.At = time.Now().UnixMilli()
	before.At = since.At - 2*lookBack.Milliseconds()
	a.Put(before)
	a.Put(since)
	s.looked = time.Now()
	s.Resubscribed()
	if got := shown(); len(got) != len(want)+1 || got[len(want)] != "since" {
		t.Errorf("shown later: %q; want what was made since", got[len(want):])
	}
}

// What one instance could not store, others were told of.
func TestWhatAFullRedisDidNotTakeIsReplayedEverywhere(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	here, there := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	here.Join("p", "alice")
	here.Put(stored("p", "alice", Viewing, "old"))
	server.Do("CONFIG", "SET", "maxmemory", "1")
	for _, action := range actions {
		e := stored("p", "alice", action, "new "+action)
		here.Put(e)
		there.Observe(e)
	}
	const want = "new VIEWING_CARD new UPDATING_CARD"
	for name, s := range map[string]*Redis{"here": here, "there": there} {
		expect(t, "Replay "+name, s.Replay("p"), want)
		expect(t, "Latest "+name, s.Latest("p", "alice"), want)
		expect(t, "Latest anywhere "+name, s.Latest(AnyPractice, "alice"), want)
	}
}

// Another instance that took a user for gone removed what was stored: an instance where the
// user has a socket stores it again.
func TestWhatWasRemovedOfAUserWhoIsHereIsStoredAgain(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Second})
	s.Join("p", "alice")
	s.Put(stored("p", "alice", Updating, "x"))
	key := s.keys.event(s.practices.member("p", "alice"), Updating)
	testkit.Eventually(t, "stored", func() bool { return server.Do("EXISTS", key) == "1" })
	server.Do("DEL", key)
	s.Observe(Event{ID: NewID(), Source: "alice", Practice: "p", Action: Logout, Type: UserSession})
	testkit.Eventually(t, "stored again", func() bool { return server.Do("EXISTS", key) == "1" })
}

// A user comes here while events of other instances do not: the screens that were here before are
// still to be shown, once, what it did at the other instance, though the mirror has that now.
func TestWhatAUserDidBeforeItCameIsMissedLikeTheRest(t *testing.T) {
	server := redistest.Start(t)
	here, there := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	s, w := newService(t, ServiceOptions{}, here)
	s.Join("p", "viewer")()
	there.Join("p", "alice")
	there.Put(stored("p", "alice", Updating, "missed")) // its message never comes here
	s.Join("p", "alice")()
	heard := stored("p", "viewer", Updating, "heard")
	there.Put(heard)
	s.DeliverSession(heard)
	for range 2 {
		s.Resubscribed()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var got []string
	for _, e := range w.told {
		got = append(got, e.Data)
	}
	if !slices.Equal(got, []string{"heard", "missed"}) {
		t.Errorf("the screens here were shown %v; want heard, missed", got)
	}
}
