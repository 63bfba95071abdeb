//go:build unix

package session

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

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

func TestAUserIsActiveWhileAnyInstanceHasASocket(t *testing.T) {
	server := redistest.Start(t)
	a, b := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	if a.Join("", "alice") {
		t.Error("Join at a = true; alice has no socket elsewhere")
	}
	if !b.Join("", "alice") {
		t.Error("Join at b = false; alice has a socket at a")
	}
	a.Put(stored("", "alice", Updating, "x"))
	if a.Leave("", "alice", false) {
		t.Error("Leave at a = true; b has a socket")
	}
	expect(t, "Replay at b", b.Replay(""), "x")
	expect(t, "Replay at a", a.Replay(""), "x")
	if !b.Leave("", "alice", false) {
		t.Error("Leave at b = false; it was the last socket")
	}
	expect(t, "Replay at a afterwards", a.Replay(""), "")
}

func TestExactlyOneInstanceIsTheLast(t *testing.T) {
	server := redistest.Start(t)
	instances := make([]*Redis, 3)
	for k := range instances {
		instances[k] = newRedis(t, server, RedisOptions{})
	}
	for range 20 {
		for _, s := range instances {
			s.Join("", "alice")
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		last := 0
		for _, s := range instances {
			all.Go(func() {
				if s.Leave("", "alice", false) {
					mu.Lock()
					last++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if last != 1 {
			t.Fatalf("%d instances were the last; want 1", last)
		}
	}
}

// Fault 15: the users of an instance that died do not stay for ever.
func TestTheUsersOfADeadInstanceAreRemovedOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const lease = 3 * time.Second // a machine may be slow, but not that slow
	var mu sync.Mutex
	var lost []string
	note := func(practice, user string) {
		mu.Lock()
		defer mu.Unlock()
		lost = append(lost, practice+"/"+user)
	}
	a := newRedis(t, server, RedisOptions{Lease: lease, Lost: note})
	b := newRedis(t, server, RedisOptions{Lease: lease, Lost: note})
	dead := newRedis(t, server, RedisOptions{Lease: lease})
	dead.Join("", "alice")
	dead.Join("Other", "bob")
	dead.Join("", "carol")
	a.Join("", "carol")
	b.Join("", "dora")
	dead.Put(stored("", "alice", Updating, "x"))
	dead.Close() // says nothing to anybody

	testkit.Eventually(t, "removal", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(lost) == 2
	})
	time.Sleep(lease) // nobody else follows
	mu.Lock()
	got := strings.Join(lost, " ")
	mu.Unlock()
	if got != "myPracticeId/alice Other/bob" && got != "Other/bob myPracticeId/alice" {
		t.Errorf("lost %q; want alice and bob, once", got)
	}
	if left := server.Do("KEYS", "*alice*"); left != "" {
		t.Errorf("%q is left of alice", left)
	}
	for _, user := range []string{"carol", "dora"} {
		if server.Do("SISMEMBER", "users", user) != "1" {
			t.Errorf("%s is not active any more", user)
		}
	}
}

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

// A replay has what was stored before it was asked for, also when
// he shares it with others.
func TestReplaysThatAreSharedAreNotOld(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	var all sync.WaitGroup
	const users, rounds = 40, 10
	for i := range users {
		user := fmt.Sprint("u", i)
		var events []Event
		for n := range rounds {
			events = append(events, stored("p", user, Updating, fmt.Sprint(user, " ", n)))
		}
		all.Go(func() {
			s.Join("p", user)
			for _, e := range events {
				s.Put(e)
				if !slices.Contains(s.Replay("P"), e) {
					t.Errorf("%q was stored, and is not in a replay that was asked for then", e.Data)
				}
			}
		})
	}
	all.Wait()
	calls := server.Do("INFO", "commandstats")
	_, calls, _ = strings.Cut(calls, "cmdstat_sscan:calls=")
	calls, _, _ = strings.Cut(calls, ",")
	t.Logf("%d replays read the list of users %s times", users*rounds, calls)
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

// Replays of what this instance has in its memory take none of their own.
func TestReplaysShareTheTextOfEvents(t *testing.T) {
	server := redistest.Start(t)
	here, there := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	here.Join("p", "alice")
	e := stored("p", "alice", Updating, strings.Repeat("x", 1000))
	here.Put(e)
	there.Observe(e)
	for _, s := range []*Redis{here, there} {
		first, second := s.Replay("p"), s.Replay("p")
		if len(first) != 1 || len(second) != 1 || first[0] != e {
			t.Fatalf("Replay() = %d and %d events; want the one", len(first), len(second))
		}
		if unsafe.StringData(first[0].Data) != unsafe.StringData(second[0].Data) {
			t.Error("two replays have a copy each")
		}
	}
}

// A user whose lease is out, but not the rest, is nobody's to clear up but ours.
func TestUserWhoWasRemovedByHalfIsRemovedLater(t *testing.T) {
	server := redistest.Start(t)
	lost := make(chan string, 10)
	s := newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond, Lost: func(practice, user string) { lost <- practice + "/" + user }})
	s.Join("P", "alice")
	s.Put(stored("P", "alice", Updating, "x"))
	server.Do("ACL", "SETUSER", "default", "-del")
	if s.Leave("P", "alice", false) {
		t.Error("Leave = true; Redis has not done it")
	}
	server.Do("ACL", "SETUSER", "default", "+del")
	if got := <-lost; got != "P/alice" {
		t.Errorf("lost %q; want P/alice", got)
	}
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("DBSIZE") == "0" })
	testkit.Eventually(t, "nothing is remembered", func() bool {
		s.attendance.mu.Lock()
		defer s.attendance.mu.Unlock()
		return len(s.attendance.left) == 0
	})
}

// Nobody was there when the last of them went.
func TestAFreshInstanceClearsUpAfterAllOthers(t *testing.T) {
	server := redistest.Start(t)
	const lease = 300 * time.Millisecond
	long := strings.Repeat("Ⱥ", MaxName/2) // folded it is longer than a practice may be
	want := map[string]string{"alice": "myPracticeId", "bob": "Other", "carol": long, "dora": "SHARED"}
	first, second := newRedis(t, server, RedisOptions{Lease: lease}), newRedis(t, server, RedisOptions{Lease: lease})
	for user, practice := range want {
		first.Join(practice, user)
		first.Put(stored(practice, user, Updating, "x"))
	}
	second.Join("SHARED", "dora")
	second.Close()
	first.Close()

	lost := make(chan Event, len(want))
	newRedis(t, server, RedisOptions{Lease: lease, Lost: func(practice, user string) {
		lost <- Event{ID: NewID(), Source: user, Practice: practice, Action: Logout, Type: UserSession}
	}})
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("DBSIZE") == "0" && len(lost) == len(want) })
	for range len(want) {
		e := <-lost
		if e.Practice != want[e.Source] {
			t.Errorf("%s lost in %q; want %q, as it was written", e.Source, e.Practice, want[e.Source])
		}
		if _, err := Decode(e.JSON()); err != nil {
			t.Errorf("others refuse the logout of %s: %v", e.Source, err)
		}
	}
}

// Whatever a lease is called, its user is removed, in the practice that the user was in.
func TestStrangeLeasesEnd(t *testing.T) {
	server := redistest.Start(t)
	want := map[string]string{"other/a": "OTHER", "other/b": "other", "c": "myPracticeId", "other/d": "other"}
	for name, lease := range map[string]string{"other/a": "gone/OTHER", "other/b": "gone", "c": "gone/elsewhere", "other/d": "/"} {
		server.Do("SADD", "users", name)
		server.Do("ZADD", name+":SOCKETS", "1", lease)
	}
	lost := make(chan [2]string, len(want))
	newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond, Lost: func(practice, user string) { lost <- [2]string{practice, user} }})
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("DBSIZE") == "0" && len(lost) == len(want) })
	for range len(want) {
		e := <-lost
		name := e[1]
		if fold(e[0]) == "other" {
			name = "other/" + name
		}
		if want[name] != e[0] {
			t.Errorf("%s lost in %q; want %q", name, e[0], want[name])
		}
	}
}

// An instance that took a user over and died before it was done does not keep the user.
func TestUserWhoWasTakenOverIsTakenOverAgain(t *testing.T) {
	server := redistest.Start(t)
	const lease = 300 * time.Millisecond
	lost := make(chan string, 10)
	first := newRedis(t, server, RedisOptions{Lease: lease})
	first.Join("Other", "alice")
	first.Close()
	second := newRedis(t, server, RedisOptions{Lease: lease})
	alice := member{"other", "alice"}
	testkit.Eventually(t, "taken over", func() bool {
		taken, err := second.attendance.take([]member{alice})
		return err == nil && len(taken) == 1
	})
	second.Close()
	newRedis(t, server, RedisOptions{Lease: lease, Lost: func(practice, user string) { lost <- practice + "/" + user }})
	if got := <-lost; got != "Other/alice" {
		t.Errorf("lost %q; want Other/alice", got)
	}
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("DBSIZE") == "0" })
}

// A user who comes back under another spelling, after Redis did not hear that he left.
func TestLeaseOfAnotherSpellingEndsToo(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	s.Join("P", "alice")
	server.Do("ACL", "SETUSER", "default", "-evalsha", "-eval")
	s.Leave("P", "alice", false)
	server.Do("ACL", "SETUSER", "default", "+evalsha", "+eval")
	s.Join("p", "alice")
	if n := server.Do("ZCARD", "p/alice:SOCKETS"); n != "2" {
		t.Fatalf("%s leases; want one of each spelling", n)
	}
	if !s.Leave("p", "alice", false) {
		t.Error("Leave = false; want true, nobody else has alice")
	}
	if left := server.Do("KEYS", "*"); left != "" {
		t.Errorf("%q is left", left)
	}
}

// The same of a user whose instance died: who ended the lease clears up.
func TestUserOfADeadInstanceWhoWasRemovedByHalfIsRemovedLater(t *testing.T) {
	server := redistest.Start(t)
	lost := make(chan string, 10)
	const lease = 300 * time.Millisecond
	dead := newRedis(t, server, RedisOptions{Lease: lease})
	dead.Join("p", "alice")
	dead.Put(stored("p", "alice", Updating, "x"))
	dead.Close()
	server.Do("ACL", "SETUSER", "default", "-del")
	heir := newRedis(t, server, RedisOptions{Lease: lease, Lost: func(_, user string) { lost <- user }})
	testkit.Eventually(t, "taken over", func() bool {
		return strings.Contains(server.Do("ZRANGE", "p/alice:SOCKETS", "0", "-1"), heir.attendance.own)
	})
	server.Do("ACL", "SETUSER", "default", "+del")
	if user := <-lost; user != "alice" {
		t.Errorf("lost %q; want alice", user)
	}
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("DBSIZE") == "0" })
	if len(lost) > 0 {
		t.Error("alice is told to be lost again")
	}
}

// A timeout says nothing of sockets at other instances.
func TestNobodyIsLoggedOutBecauseRedisIsSlow(t *testing.T) {
	server := redistest.Start(t)
	lost := make(chan string, 10)
	here := newRedis(t, server, RedisOptions{Timeout: 100 * time.Millisecond, Lease: 3 * time.Second, Lost: func(_, user string) { lost <- user }})
	there := newRedis(t, server, RedisOptions{})
	for _, user := range []string{"alice", "bob"} {
		here.Join("", user)
		testkit.Eventually(t, "lease", func() bool { return server.Do("ZCARD", user+":SOCKETS") == "1" })
	}
	there.Join("", "alice")
	there.Put(stored("", "alice", Updating, "x"))
	server.Stop()
	for _, user := range []string{"alice", "bob"} {
		if here.Leave("", user, false) {
			t.Errorf("Leave(%s) = true without an answer", user)
		}
	}
	server.Continue()
	if user := <-lost; user != "bob" {
		t.Errorf("lost %q; want bob, who has no socket anywhere", user)
	}
	testkit.Eventually(t, "all settled", func() bool {
		here.attendance.mu.Lock()
		defer here.attendance.mu.Unlock()
		return len(here.attendance.left) == 0
	})
	if len(lost) > 0 {
		t.Errorf("lost %q, too", <-lost)
	}
	if users := server.Do("SMEMBERS", "users"); users != "alice" {
		t.Errorf("users = %q; want alice, who has a socket at the other instance", users)
	}
	expect(t, "Latest", here.Latest("", "alice"), "x")
}

// Redis may come back empty, before the others have repeated their word.
func TestUserWhoLeftWithoutRedisIsLoggedOutWhenOthersHaveSpoken(t *testing.T) {
	server := redistest.Start(t)
	const lease = 3 * time.Second
	lost := make(chan string, 10)
	here := newRedis(t, server, RedisOptions{Lease: lease, Lost: func(_, user string) { lost <- user }})
	here.Join("", "alice")
	here.Join("", "bob")
	server.Kill()
	testkit.Eventually(t, "away", func() bool { return !here.Up() })
	if here.Leave("", "alice", false) || here.Leave("", "bob", false) {
		t.Error("Leave = true without Redis")
	}
	server.Restart()
	testkit.Eventually(t, "back", here.Up)
	there := newRedis(t, server, RedisOptions{})
	there.Join("", "alice")
	if user := <-lost; user != "bob" {
		t.Errorf("lost %q; want bob", user)
	}
	if users := server.Do("SMEMBERS", "users"); users != "alice" {
		t.Errorf("users = %q; want alice", users)
	}
	if len(lost) > 0 {
		t.Errorf("lost %q, too", <-lost)
	}
}

// A user who comes back while being removed keeps what he posts, and is not told to be gone.
func TestUserWhoComesBackWhileBeingRemoved(t *testing.T) {
	server := redistest.Start(t)
	here, there := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{})
	alice := departure{member{"p", "alice"}, "p", false}
	here.Join("p", "alice")
	here.Put(stored("p", "alice", Updating, "old"))
	here.Put(stored("p", "alice", Viewing, "old"))

	// The steps of leave, with a return after the second.
	here.mirror.leave(alice.member)
	marks, err := here.attendance.marks(alice.member)
	if err != nil {
		t.Fatal(err)
	}
	if claimed, err := here.attendance.claim(alice); err != nil || !claimed {
		t.Fatalf("claim = %v, %v", claimed, err)
	}
	there.Join("p", "alice")
	there.Put(stored("p", "alice", Updating, "new"))
	if err := here.attendance.remove(alice.member, marks); err != nil {
		t.Fatal(err)
	}
	if last, err := here.attendance.endLease(alice.member, false); err != nil || last {
		t.Errorf("last = %v, %v; want false, she is back", last, err)
	}
	expect(t, "Replay", there.Replay("p"), "new")
	if users := server.Do("SMEMBERS", "users"); users != "p/alice" {
		t.Errorf("users = %q; want p/alice", users)
	}
	if !there.Leave("p", "alice", false) {
		t.Error("Leave = false; want true")
	}
	if left := server.Do("KEYS", "*"); left != "" {
		t.Errorf("%q is left", left)
	}
}

// One key that is not what it should be is no other user's loss.
func TestLeasesOfOthersStandBesideAWrongType(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond})
	server.Stop()
	testkit.Eventually(t, "away", func() bool { s.Latest("", "x"); return !s.Up() })
	var want []string
	for n := range 50 {
		user := fmt.Sprint("u", n)
		s.Join("", user)
		want = append(want, user)
	}
	server.Continue()
	server.Do("SET", "u7:SOCKETS", "not a sorted set")
	testkit.Eventually(t, "all are active", func() bool {
		got := strings.Fields(server.Do("SMEMBERS", "users"))
		return len(got) == len(want) && server.Do("TYPE", "u7:SOCKETS") == "zset"
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

// What is read is bounded, and nobody is passed over in silence.
func TestManyActiveUsers(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	s.Join("", "alice")
	s.Put(stored("", "alice", Updating, "x"))
	other := newRedis(t, server, RedisOptions{})
	add := func(from, to int) {
		server.Do("EVAL", "for i=ARGV[1],ARGV[2] do redis.call('SADD','users','fake'..i) end", "0", fmt.Sprint(from), fmt.Sprint(to))
	}
	add(1, 50_000)
	expect(t, "Replay beside many users", other.Replay(""), "x")
	if n := other.Stats().Failures["too_many"]; n != 0 {
		t.Errorf("too_many = %d; want 0", n)
	}
	add(50_001, maxUsers+50_000)
	testkit.Eventually(t, "it is counted", func() bool {
		s.Replay("")
		return s.Stats().Failures["too_many"] > 0
	})
	expect(t, "Replay at the user's own instance beside too many", s.Replay(""), "x")
}

// The set of all users is not touched: it may be large, or not even a set.
func TestAReplayReadsTheUsersOfItsPracticeOnly(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Hour})
	other := newRedis(t, server, RedisOptions{Lease: time.Hour})
	s.Join("p", "alice")
	s.Join("q", "bob")
	s.Put(stored("p", "alice", Updating, "x"))
	s.Put(stored("q", "bob", Updating, "y"))
	server.Do("RENAME", "users", "kept")
	server.Do("SET", "users", "no set")
	expect(t, "Replay(p)", other.Replay("p"), "x")
	expect(t, "Replay(q)", other.Replay("q"), "y")
	if n := other.Stats().Failures["wrong_type"]; n != 0 {
		t.Errorf("%d calls met what is not a set; want none", n)
	}
	server.Do("RENAME", "kept", "users")
	if !s.Leave("p", "alice", false) {
		t.Error("Leave(p, alice) = false; want true")
	}
	if left := server.Do("KEYS", "p/*"); left != "" {
		t.Errorf("%q is left of a practice without users", left)
	}
}

// An instance of an earlier version knows one set of users only.
func TestUsersOfAnEarlierVersionAreEnteredInTheirPractice(t *testing.T) {
	server := redistest.Start(t)
	e := stored("p", "alice", Updating, "x")
	server.Do("SADD", "users", "p/alice")
	server.Do("ZADD", "p/alice:SOCKETS", "99999999999999", "earlier/p")
	server.Do("SET", "p/alice:UPDATING_CARD", string(e.JSON()))
	s := newRedis(t, server, RedisOptions{Lease: 300 * time.Millisecond})
	testkit.Eventually(t, "alice is replayed", func() bool { return said(s.Replay("p")) == "x" })
}

// One practice that cannot be read within one call's time is no reason to take Redis
// for one that does not answer.
func TestAPracticeThatTakesLongerThanOneCallIsReplayed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{})
	const users = 600
	for i := range users {
		user := fmt.Sprint("u", i)
		s.Join("p", user)
		s.Put(stored("p", user, Updating, strings.Repeat("x", 20<<10)))
	}
	const timeout = 2 * time.Second
	slow := newRedisAt(t, "redis://"+slowly(t, server.Addr, 3<<20), RedisOptions{Timeout: timeout, Lease: time.Hour})
	testkit.Eventually(t, "store up", slow.Up)
	begun := time.Now()
	if n := len(slow.Replay("p")); n != users {
		t.Errorf("%d events are replayed; want %d", n, users)
	}
	if took := time.Since(begun); took < timeout {
		t.Fatalf("reading took %v; the test wants more than one call's %v", took, timeout)
	}
	if st := slow.Stats(); !st.Up || st.Failures["timeout"]+st.Failures["down"] > 0 {
		t.Errorf("Stats() = %+v; want up, without a failure", st)
	}
}

// slowly is the address of a server that sends so many bytes a second.
func slowly(t *testing.T, addr string, rate int) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				return
			}
			all.Go(func() {
				io.Copy(far, near)
				far.Close()
			})
			all.Go(func() {
				defer near.Close()
				const tick = 10 * time.Millisecond
				part := int64(rate) * int64(tick) / int64(time.Second)
				for {
					if _, err := io.CopyN(near, far, part); err != nil {
						return
					}
					time.Sleep(tick)
				}
			})
		}
	})
	return ln.Addr().String()
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

func (s stopsRedis) Lock()   { s.Stop() }
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
		here.Missed([]string{""}, stopsRedis{server}, func(e Event) { shown <- e.Source })
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

// The original service knows nothing of leases: users without one are its own.
func TestUsersOfTheOriginalStay(t *testing.T) {
	server := redistest.Start(t)
	lost := make(chan string, 10)
	const lease = 300 * time.Millisecond
	dead := newRedis(t, server, RedisOptions{Lease: lease})
	server.Do("SADD", "users", "original")
	server.Do("SET", "original:VIEWING_CARD", "x")
	dead.Join("", "first")
	dead.Join("", "second")
	dead.Close()
	newRedis(t, server, RedisOptions{Lease: lease, Lost: func(_, user string) { lost <- user }})
	got := []string{<-lost, <-lost}
	slices.Sort(got)
	if !slices.Equal(got, []string{"first", "second"}) || len(lost) > 0 {
		t.Errorf("lost %q and %d more; want the two users with leases", got, len(lost))
	}
	if server.Do("SMEMBERS", "users") != "original" || server.Do("EXISTS", "original:VIEWING_CARD") != "1" {
		t.Error("the original's user was removed")
	}
}

// Instances that were cut off have the time of a lease to repeat their word.
func TestNobodyIsTakenOverRightAfterRedisCame(t *testing.T) {
	server := redistest.Start(t)
	server.Do("SADD", "users", "alice")
	server.Do("ZADD", "alice:SOCKETS", "1", "cut-off/")
	s := newRedis(t, server, RedisOptions{Lease: time.Hour})
	s.attendance.reap(t.Context())
	if leases := server.Do("ZRANGE", "alice:SOCKETS", "0", "-1"); leases != "cut-off/" {
		t.Errorf("leases = %q; want the old one only", leases)
	}
	s.upSince.Store(time.Now().Add(-time.Hour).UnixNano())
	s.attendance.reap(t.Context())
	if left := server.Do("KEYS", "*"); left != "" {
		t.Errorf("%q is left; want nothing after an hour", left)
	}
}

// A user who is back before Redis was asked again has not left.
func TestUserWhoIsBackIsNotEndedAgain(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lost: func(_, user string) { t.Errorf("lost %q", user) }})
	s.Join("", "alice")
	s.attendance.noteLeft(departure{member{s.practices.folded, "alice"}, "", false})
	s.attendance.endAgain(t.Context())
	if n := server.Do("ZCARD", "alice:SOCKETS"); n != "1" {
		t.Errorf("%s leases; want 1", n)
	}
	testkit.Eventually(t, "alice is noted no more", func() bool { // maintenance may ask meanwhile, too
		s.attendance.mu.Lock()
		defer s.attendance.mu.Unlock()
		return len(s.attendance.left) == 0
	})
}

// What an instance does besides may take longer than a lease: it repeats its word
// for its users all the same.
func TestUsersStayWhileTheirInstanceIsBusy(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const lease = 3 * time.Second // a machine may be slow, but not that slow
	dead := newRedis(t, server, RedisOptions{Lease: lease})
	dead.Join("", "dora")
	dead.Close()
	begun, end := make(chan struct{}), make(chan struct{})
	busy := newRedis(t, server, RedisOptions{Lease: lease, Lost: func(string, string) {
		close(begun)
		<-end
	}})
	t.Cleanup(func() { close(end) })
	busy.Join("", "alice")
	<-begun
	lost := make(chan string, 10)
	newRedis(t, server, RedisOptions{Lease: lease, Lost: func(_, user string) { lost <- user }})
	select {
	case user := <-lost:
		t.Errorf("lost %q, whose instance is busy", user)
	case <-time.After(3 * lease):
	}
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
