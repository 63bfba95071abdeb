//go:build unix

package session

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

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

// Nobody finds the lease of a user whose instance died after it had removed all else: it goes
// by itself, unless the user comes back.
func TestLeaseOfAUserWhoWasRemovedByHalfEnds(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: 200 * time.Millisecond})
	for _, user := range []string{"alice", "bob"} {
		s.Join("p", user)
		s.Put(stored("p", user, Updating, "x"))
		server.Do("ACL", "SETUSER", "default", "-zrem") // of what is called, only the last script does
		if s.Leave("p", user, false) {
			t.Error("Leave = true; Redis has not done it")
		}
	}
	s.Close()
	server.Do("ACL", "SETUSER", "default", "+zrem")
	if left := server.Do("SCARD", "users"); left != "0" {
		t.Fatalf("%s users are active; want none", left)
	}
	newRedis(t, server, RedisOptions{}).Join("p", "bob")
	testkit.Eventually(t, "the lease of alice goes", func() bool { return server.Do("EXISTS", "p/alice:SOCKETS") == "0" })
	if ttl, err := strconv.Atoi(server.Do("TTL", "p/bob:SOCKETS")); err != nil || ttl < 600_000 {
		t.Errorf("what is left of bob, who is back, would go after %d s, %v; want years", ttl, err)
	}
}

// A user who leaves while an instance clears up does not stay entered because of it, and neither
// does one who is gone when it enters him.
func TestUserWhoLeftIsNotEnteredAgain(t *testing.T) {
	server := redistest.Start(t)
	const lease = 300 * time.Millisecond
	here, other := newRedis(t, server, RedisOptions{Lease: lease}), newRedis(t, server, RedisOptions{Lease: lease})
	stop := make(chan struct{})
	var comes sync.WaitGroup
	for k := range 4 {
		comes.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				practice := fmt.Sprintf("p%d-%d", k, n)
				here.Join(practice, "u")
				here.Leave(practice, "u", false)
			}
		})
	}
	time.Sleep(4 * lease) // several passes of both
	close(stop)
	comes.Wait()
	other.attendance.reindex([]member{{"q", "gone"}, {"q", "also"}})
	testkit.Eventually(t, "nothing is left", func() bool { return server.Do("KEYS", "*") == "" })
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
		taken, _, err := second.attendance.take([]member{alice})
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

// Another instance may have missed that a user is here, or not know it yet. The screens here
// are told when the user leaves.
func TestUserWhoIsHereIsNotGone(t *testing.T) {
	server := redistest.Start(t)
	s, w := newService(t, ServiceOptions{Grace: 100 * time.Millisecond}, newRedis(t, server, RedisOptions{Lease: time.Hour}))
	s.Join("p", "alice")()
	s.Join("p", "carol") // of whose socket the store has not heard yet
	for _, user := range []string{"alice", "carol", "bob"} {
		s.DeliverSession(Event{ID: NewID(), Source: user, Practice: "P", Action: Logout, Type: UserSession})
	}
	if got := w.logouts(); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("%q are shown as gone; want bob alone", got)
	}
	s.Leave("p", "alice")
	testkit.Eventually(t, "alice is shown as gone", func() bool { return slices.Equal(w.logouts(), []string{"bob", "alice"}) })
}

// A user who comes while Redis does not answer may be active at another instance, which hears of
// the new socket and leaves the logout to us.
func TestWhoComesWhileRedisDoesNotAnswerMayBeElsewhere(t *testing.T) {
	server := redistest.Start(t)
	a, b := newRedis(t, server, RedisOptions{}), newRedis(t, server, RedisOptions{Timeout: 100 * time.Millisecond})
	a.Join("", "alice")
	testkit.Eventually(t, "connected", b.Up)
	server.Stop()
	if !b.Join("", "alice") {
		t.Error("Join = false without an answer; alice has a socket at the other instance")
	}
	server.Continue()
}

// A server without memory takes leases, so that nobody is logged out, and not the names in the set
// by which those who clear up find them. It says, too, who has none elsewhere.
func TestLeasesThatNobodyWouldFindEnd(t *testing.T) {
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	const lease = 3 * time.Second
	s := newRedis(t, server, RedisOptions{Lease: lease, Timeout: time.Minute})
	testkit.Eventually(t, "connected", s.Up)
	stays := func(user string) time.Duration {
		ms, err := strconv.ParseInt(server.Do("PTTL", user+":SOCKETS"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	const long = 365 * 24 * time.Hour
	if s.Join("", "bob"); stays("bob") < long {
		t.Errorf("the lease of a user who is active stays for %v; want years", stays("bob"))
	}
	server.Do("CONFIG", "SET", "maxmemory", "1")
	if s.Join("", "alice") {
		t.Error("Join = true at a server that answered; alice has no socket elsewhere")
	}
	if users := server.Do("SMEMBERS", "users"); users != "bob" {
		t.Fatalf("users = %q; want bob, who came before the memory was full", users)
	}
	s.attendance.renewAll(t.Context())
	if d := stays("alice"); d <= 0 || d > 20*lease {
		t.Errorf("the lease of a user who is in no set stays for %v; want up to %v", d, 20*lease)
	}
	if d := stays("bob"); d < long {
		t.Errorf("the lease of a user who is in the set stays for %v where the memory is full; want years", d)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	s.attendance.renewAll(t.Context())
	if users := server.Do("SMEMBERS", "users"); !strings.Contains(users, "alice") || stays("alice") < long {
		t.Errorf("users = %q, and the lease of alice stays for %v; want her, and years", users, stays("alice"))
	}
}
