//go:build unix

package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestRedisNamesAreTheOriginals(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	s.Join("", "alice")
	e := stored("", "alice", Updating, "d")
	e.Origin = "me"
	s.Put(e)
	if got := server.Do("SMEMBERS", "users"); got != "alice" {
		t.Errorf("users = %q; want alice", got)
	}
	got, err := Decode([]byte(server.Do("GET", "alice:UPDATING_CARD")))
	e.Origin = ""
	if err != nil || got != e {
		t.Errorf("alice:UPDATING_CARD = %+v, %v; want %+v", got, err, e)
	}
	if ttl := server.Do("TTL", "alice:UPDATING_CARD"); ttl != "3600" && ttl != "3599" && ttl != "3598" {
		t.Errorf("TTL = %s; want an hour", ttl)
	}

	// What the original stored is found, and its active users count.
	server.Do("SET", "bob:VIEWING_CARD", `{"eventId":"1","sourceId":"bob","targetId":"c","data":"b","eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT"}`)
	server.Do("SADD", "users", "bob")
	bob := s.Latest("", "bob")
	expect(t, "Latest of the original's", bob, "b")
	if bob[0].Practice != "myPracticeId" {
		t.Errorf("practice of the original's = %q; want the default one as it is written", bob[0].Practice)
	}
	expect(t, "Replay", s.Replay(""), "b d")
	s.Leave("", "alice", false)
	if got := server.Do("KEYS", "*alice*") + server.Do("SMEMBERS", "users"); got != "bob" {
		t.Errorf("after Leave %q is left; want bob only", got)
	}
}

func TestCallsTakeABoundedTimeWhileRedisIsStopped(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Timeout: 50 * time.Millisecond})
	s.Join("", "alice")
	server.Stop()
	begin := time.Now()
	const calls = 1000
	for range calls {
		s.Put(stored("", "alice", Updating, "x"))
		expect(t, "Latest", s.Latest("", "alice"), "x")
	}
	took := time.Since(begin)
	if took > testkit.Patience {
		t.Errorf("%d calls took %v", 2*calls, took)
	}
	if st := s.Stats(); st.Failures["timeout"] > calls/10 || st.Failures["down"] == 0 {
		t.Errorf("failures %v; after the first ones nobody should wait", st.Failures)
	}
	server.Continue()
	testkit.Eventually(t, "back", func() bool { return s.Up() })
	expect(t, "Latest", s.Latest("", "alice"), "x")
}

func TestWrongTypesAndCorruptValuesAreCountedAndPassedOver(t *testing.T) {
	server := redistest.Start(t)
	core, lines := observer.New(zapcore.WarnLevel)
	lost := make(chan string, 10)
	s := newRedis(t, server, RedisOptions{Log: zap.New(core), Lease: 300 * time.Millisecond, Lost: func(_, user string) { lost <- user }})
	s.Join("", "ok")
	s.Put(stored("", "ok", Updating, "fine"))
	server.Do("SADD", "users", "list", "broken", "liar", "bad%zz", "a/b/c", "")
	server.Do("LPUSH", "list:UPDATING_CARD", "x")
	server.Do("SET", "broken:VIEWING_CARD", `{"eventId":`)
	server.Do("SET", "liar:VIEWING_CARD", `{"eventId":"1","sourceId":"ok","targetId":"c","data":"b","eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT"}`)
	expect(t, "Replay", s.Replay(""), "fine")
	if f := s.Stats().Failures; f["wrong_type"] != 1 || f["corrupt"] != 2 {
		t.Errorf("failures %v; want 1 of wrong type, 2 corrupt", f)
	}
	line := lines.All()[0]
	switch got := [2]any{line.ContextMap()["reason"], line.ContextMap()["keys"]}; got {
	case [2]any{"wrong_type", "*:UPDATING_CARD"}, [2]any{"corrupt", "*:VIEWING_CARD"}:
	default:
		t.Errorf("first line has %q; want the reason and its keys", got)
	}

	server.Do("DEL", "users")
	server.Do("SET", "users", "not a set")
	server.Do("SET", "alice:SOCKETS", "not a sorted set")
	s.Join("", "alice")
	s.Put(stored("", "alice", Updating, "still"))
	expect(t, "Replay without a set of users", s.Replay(""), "fine still")
	if s.Leave("", "alice", false) {
		t.Error("Leave = true; the users cannot be read")
	}
	server.Do("DEL", "users")
	if user := <-lost; user != "alice" {
		t.Errorf("lost %q; want alice", user)
	}
	if f := s.Stats().Failures; f["wrong_type"] < 3 || !s.Up() {
		t.Errorf("failures %v, up %v; want more of wrong type, and up", f, s.Up())
	}
}

// A Redis that is there and refuses is not told from one that cannot be reached by its state alone.
func TestRefusingRedisIsCalledSo(t *testing.T) {
	server := redistest.Start(t, "--user", "reader", "on", ">secret", "~*", "+@connection", "+get")
	const cannot, failed = "sessions: cannot use Redis; continuing with this instance's memory", "sessions: Redis call failed"
	for _, c := range []struct{ url, message string }{
		{"redis://reader:wrong@" + server.Addr, cannot},
		{"redis://" + server.Addr + "/4711", cannot},
		{"redis://reader:secret@" + server.Addr, failed},
	} {
		core, lines := observer.New(zapcore.WarnLevel)
		s := newRedisAt(t, c.url, RedisOptions{Log: zap.New(core)})
		testkit.Eventually(t, c.message, func() bool {
			s.Put(stored("", "alice", Updating, "x"))
			return lines.FilterMessage(c.message).Len() > 0
		})
		if line := lines.FilterMessage(c.message).All()[0]; line.ContextMap()["check"] == nil {
			t.Errorf("%q has the fields %v; want one that says what to check", c.message, line.ContextMap())
		}
		if line := lines.FilterMessage(failed).FilterField(zap.String("call", "store an event")); c.message == failed && line.Len() == 0 {
			t.Errorf("%q does not say which call: %v", failed, lines.All())
		}
		before := s.Stats().Failures["denied"]
		s.Put(stored("", "alice", Updating, "x"))
		if after := s.Stats().Failures["denied"]; after <= before { // what the clock asks for is denied, too
			t.Errorf("%q: %d calls denied before and %d after; want more", c.message, before, after)
		}
		expect(t, "Latest", s.Latest("", "alice"), "x")
	}
}

// Large submissions for users without a socket fill Redis up to a budget.
func TestRedisOfUsersWithoutASocketIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const budget, size, users = 2 << 20, 100 << 10, 60
	a := newRedis(t, server, RedisOptions{Options: Options{MaxAbsentBytes: budget}, Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Lease: time.Hour})
	a.Join("p", "alice")
	a.Put(stored("p", "alice", Updating, "at a"))
	b.Join("p", "bob")
	a.Put(stored("p", "bob", Updating, "at b, submitted at a"))
	for n := range users {
		a.Put(stored("p", fmt.Sprint("u", n), Updating, strings.Repeat("x", size)))
		if n := len(strings.Fields(server.Do("KEYS", "p/u*:UPDATING_CARD"))); n*size > budget {
			t.Fatalf("%d events of users without a socket are in Redis; want %d at most", n, budget/size)
		}
	}
	if n := len(strings.Fields(server.Do("KEYS", "*:PRACTICES"))); n*size > budget+size*2 {
		t.Errorf("Redis knows the practices of %d users; want few", n)
	}
	if n := a.Stats().Mirror.Evicted; n == 0 {
		t.Error("what was given up is not counted")
	}
	expect(t, "Latest of who has a socket here", b.Latest("p", "alice"), "at a")
	expect(t, "Latest of who has one elsewhere", a.Latest("p", "bob"), "at b, submitted at a")
	expect(t, "the newest", b.Latest("p", fmt.Sprint("u", users-1)), strings.Repeat("x", size))
}

// Users who move to another instance take their events into its budget, whoever stored them and
// gave them up: what it cannot keep leaves Redis.
func TestRedisOfUsersWhoMoveIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const budget, size, users, batches = 2 << 20, 100 << 10, 10, 8
	options := Options{MaxBytes: budget, MaxAbsentBytes: budget / 4}
	a := newRedis(t, server, RedisOptions{Options: options, Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Options: options, Lease: time.Hour})
	for batch := range batches {
		name := func(n int) string { return fmt.Sprint("u", batch, "-", n) }
		for n := range users {
			a.Join("p", name(n))
			e := stored("p", name(n), Updating, strings.Repeat("x", size))
			a.Put(e)
			b.Observe(e)
		}
		for n := range users {
			b.Join("p", name(n))
			if a.Leave("p", name(n), false) {
				t.Fatalf("%s has left, who has a socket at the other instance", name(n))
			}
		}
	}
	testkit.Eventually(t, "Redis has no more than both budgets", func() bool {
		return len(strings.Fields(server.Do("KEYS", "p/u*:UPDATING_CARD")))*size <= budget+budget/4
	})
	last := fmt.Sprint("u", batches-1, "-", users-1)
	expect(t, "Latest of who moved last", a.Latest("p", last), strings.Repeat("x", size))
}

// What the server did not answer when a user came is read later.
func TestWhatAUserHasIsReadAgain(t *testing.T) {
	server := redistest.Start(t)
	const size = 100 << 10
	a := newRedis(t, server, RedisOptions{Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Lease: time.Second})
	a.Put(stored("p", "alice", Updating, strings.Repeat("x", size)))
	b.Join("p", "alice")
	if n := b.Stats().Mirror.Bytes; n < size {
		t.Fatalf("the instance where a user came counts %d bytes; want %d at least", n, size)
	}
	a.Put(stored("p", "bob", Updating, strings.Repeat("x", size)))
	server.Pause(3 * time.Second)
	b.Join("p", "bob")
	if n := b.Stats().Mirror.Bytes; n >= 2*size {
		t.Fatalf("the instance counts %d bytes, and Redis has not answered", n)
	}
	testkit.Eventually(t, "the event is read", func() bool { return b.Stats().Mirror.Bytes >= 2*size })
}

// What one user has stored is bounded where instances share a Redis, too.
func TestAUserHasEventsInFewPracticesInRedis(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	const practices = 3 * maxPractices
	for n := range practices {
		s.Put(stored(fmt.Sprint("p", n), "alice", Updating, fmt.Sprint(n)))
	}
	if got := server.Do("SCARD", "alice:PRACTICES"); got != fmt.Sprint(maxPractices) {
		t.Errorf("%s practices are in Redis; want %d", got, maxPractices)
	}
	if n := len(strings.Fields(server.Do("KEYS", "*:UPDATING_CARD"))); n != maxPractices {
		t.Errorf("%d events are in Redis; want %d", n, maxPractices)
	}
	expect(t, "Latest anywhere", s.Latest(AnyPractice, "alice"), fmt.Sprint(practices-1))
}

// The set of a user's practices stays while something is written there; what has expired leaves it.
func TestPracticesOfAUserExpireWithTheirEvents(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Options: Options{TTL: time.Second}, Lease: time.Second})
	s.Put(stored("p", "alice", Updating, "x"))
	if got := server.Do("SISMEMBER", "alice:PRACTICES", "p"); got != "1" {
		t.Fatalf("SISMEMBER = %q; want 1", got)
	}
	testkit.Eventually(t, "p has left", func() bool {
		s.Put(stored("q", "alice", Updating, "x"))
		return server.Do("SISMEMBER", "alice:PRACTICES", "q") == "1" && server.Do("SISMEMBER", "alice:PRACTICES", "p") == "0"
	})
}

func TestObserveFillsTheMirror(t *testing.T) {
	s := newRedisAt(t, "redis://"+testkit.FreeAddr(t), RedisOptions{})
	s.Observe(stored("", "alice", Updating, "x"))
	expect(t, "Latest", s.Latest("", "alice"), "x")
	old := stored("", "alice", Updating, "old")
	old.At = 1
	s.Observe(old)
	expect(t, "Latest after an older one", s.Latest("", "alice"), "x")
	s.Observe(stored("", "alice", Logout, ""))
	expect(t, "Latest after logout", s.Latest("", "alice"), "")
}

// What a user submits at one instance is in one order everywhere, however quickly.
func TestQuickSubmitsHaveOneOrderEverywhere(t *testing.T) {
	server := redistest.Start(t)
	here, there := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	there.Join("p", "viewer")
	for n := range 50 {
		user := fmt.Sprint("u", n)
		here.Join("p", user)
		at := time.Now().UnixMilli()
		for k := range 4 {
			e := stored("p", user, Updating, fmt.Sprint(k))
			e.At = at - int64(k%2) // as stamped while it waited for its turn
			e = here.Put(e)
			there.Observe(e)
		}
		for name, s := range map[string]*Redis{"here": here, "there": there} {
			expect(t, "Latest "+name, s.Latest("p", user), "3")
		}
		if e, _, _ := there.mirror.get(entryKey{member{"p", user}, Updating}); e.Data != "3" {
			t.Fatalf("the other instance has %q for the latest; want 3", e.Data)
		}
	}
}

// The clock of another instance may be some seconds ahead. If it is ahead by more, its event stays the
// newer one.
func TestAnEventIsLaterThanTheOneThatItReplaces(t *testing.T) {
	m := NewMemory(Options{})
	now := time.Now().UnixMilli()
	for _, tt := range []struct{ before, at, want int64 }{
		{now, now + 1, now + 1}, {now, now, now + 1}, {now + 2000, now, now + 2001}, {now + 3600_000, now, now},
	} {
		e := stored("p", NewID(), Updating, "before")
		e.At = tt.before
		m.hear(e)
		e.ID, e.At = NewID(), tt.at
		if got := m.Put(e).At; got != tt.want {
			t.Errorf("an event of %+d ms behind one of %+d ms gets %+d; want %+d", tt.at-now, tt.before-now, got-now, tt.want-now)
		}
	}
}

// An event that comes to Redis after its user was removed there does not stay.
func TestAnEventThatComesToRedisTooLateIsRemoved(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Second})
	s.Join("p", "alice")
	e := stored("p", "alice", Updating, "late")
	s.Put(e)
	w, _ := s.writes.writeOf(s.practices.key(e))
	s.Leave("p", "alice", false)
	s.writes.writeAll([]write{w}, scriptSetUnlessNewer) // as catchUp, that had read it before
	testkit.Eventually(t, "it is gone", func() bool { return server.Do("KEYS", "p/alice:*") == "" })
}

// Also one that comes between the steps of a departure, when it is in the mirror still.
func TestAnEventThatComesToRedisDuringADepartureIsRemoved(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Second})
	s.Join("p", "alice")
	e := stored("p", "alice", Updating, "during")
	s.mirror.put(e) // Redis has missed it
	alice := departure{member{"p", "alice"}, "p", false}
	s.mirror.leave(alice.member)
	events, marks, err := s.attendance.stored(alice)
	if err != nil || len(events) != 1 {
		t.Fatalf("stored = %v, %v", events, err)
	}
	w, _ := s.writes.writeOf(s.practices.key(e))
	s.writes.writeAll([]write{w}, scriptSetUnlessNewer)
	if last, err := s.attendance.finish(alice, events, marks); err != nil || !last {
		t.Fatalf("last = %v, %v; want true", last, err)
	}
	testkit.Eventually(t, "it is gone", func() bool { return server.Do("KEYS", "p/alice:*") == "" })
}

// Of two events without a time, as the original writes them, the server has the later one.
func TestOfEventsWithoutATimeTheServerHasTheLater(t *testing.T) {
	server := redistest.Start(t)
	for n := range 20 {
		s := newRedis(t, server, RedisOptions{})
		key := keys{defaultPractice: s.practices.folded}.event(member{"p", "alice"}, Updating)
		for _, data := range []string{"first", "second"} {
			e := stored("p", "alice", Updating, data)
			e.At = 0
			server.Do("SET", key, string(e.JSON()))
			s.Join("p", "alice") // which reads it
			s.Leave("p", "alice", true)
		}
		if e, _, _ := s.mirror.get(entryKey{member{"p", "alice"}, Updating}); e.Data != "second" {
			t.Fatalf("round %d: the instance has %q; want second", n, e.Data)
		}
		server.Do("DEL", key)
	}
}

// A Redis that takes nothing for want of memory takes leases: nobody who is here is logged out.
func TestLeasesAreRenewedWithoutMemory(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	const lease = time.Second
	lost := make(chan string, 10)
	here := newRedis(t, server, RedisOptions{Lease: lease})
	newRedis(t, server, RedisOptions{Lease: lease, Lost: func(_, user string) { lost <- user }})
	here.Join("p", "alice")
	server.Do("CONFIG", "SET", "maxmemory", "1")
	time.Sleep(4 * lease)
	if users := server.Do("SMEMBERS", "users"); users != "p/alice" || len(lost) > 0 {
		t.Errorf("without memory the active users are %q, %d were logged out; want p/alice, and none", users, len(lost))
	}
	if n := server.Do("ZCARD", "p/alice:SOCKETS"); n != "1" {
		t.Errorf("alice has %s leases; want 1", n)
	}
}

// An event of the default practice of an instance is none of another practice, which another
// instance takes for the default one.
func TestDefaultPracticesThatDifferShowNothingOfEachOther(t *testing.T) {
	server := redistest.Start(t)
	a := newRedis(t, server, RedisOptions{Options: Options{DefaultPractice: "hospital"}})
	b := newRedis(t, server, RedisOptions{Options: Options{DefaultPractice: "public"}})
	a.Join("hospital", "alice")
	a.Put(stored("hospital", "alice", Updating, "of the hospital"))
	expect(t, "Replay of the practice", a.Replay("hospital"), "of the hospital")
	expect(t, "Replay of the other default practice", b.Replay("public"), "")
	expect(t, "Latest there", b.Latest("public", "alice"), "")
	expect(t, "Latest anywhere", b.Latest(AnyPractice, "alice"), "")
}
