//go:build unix

package session

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// A stranger stores events of users who get a socket then, pushes them out of the memory
// by those of others, and closes all sockets before anybody counts as active.
func TestRedisOfUsersWhoWereHereForAMomentIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const budget, size, users = 500_000, 50_000, 40
	const most = users / 2 * 60_000
	s := newRedis(t, server, RedisOptions{Options: Options{MaxAbsentBytes: budget, MaxBytes: most}, Lease: time.Hour})
	for n := range users {
		user := fmt.Sprint("u", n)
		put := func() { s.Put(stored("p", user, Updating, strings.Repeat("x", size))) }
		if n < users/2 {
			put()
			s.Join("p", user)
		} else {
			s.Join("p", user)
			put()
		}
	}
	events := func() int { return len(strings.Fields(server.Do("KEYS", "*:UPDATING_CARD"))) }
	if n := events(); n*size > most || n < users/2 {
		t.Fatalf("%d events of users with a socket are in Redis; want %d at most, and not fewer than %d", n, most/size, users/2)
	}
	if n := s.Stats().Mirror.Evicted; n < users/3 {
		t.Fatalf("%d events were given up; the test wants more", n)
	}
	for n := range users {
		s.Leave("p", fmt.Sprint("u", n), true)
	}
	if n := events(); n*size > budget || n < budget/size/2 {
		t.Errorf("%d events of users without a socket are in Redis; want %d at most, and not few", n, budget/size)
	}
	if st := s.Stats().Mirror; st.Absent > budget {
		t.Errorf("%d bytes in memory are of users without a socket; want %d at most", st.Absent, budget)
	}
	expect(t, "Latest of who left last", s.Latest("p", fmt.Sprint("u", users-1)), strings.Repeat("x", size))
}

// What users have stored who have sockets is in a bound, in Redis, too, whichever instance
// they sent it to.
func TestRedisOfUsersWithSocketsIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const size, users, most = 50_000, 40, 1_200_000
	o := RedisOptions{Options: Options{MaxBytes: most}, Lease: time.Hour}
	a, b := newRedis(t, server, o), newRedis(t, server, o)
	for n := range users {
		b.Join("p", fmt.Sprint("u", n))
	}
	for n := range users {
		e := stored("p", fmt.Sprint("u", n), Updating, strings.Repeat("x", size))
		a.Put(e)
		b.Observe(e)
	}
	testkit.Eventually(t, "Redis has no more than one of them may", func() bool {
		n := len(strings.Fields(server.Do("KEYS", "*:UPDATING_CARD")))
		return n*size <= most && n > most/size/2
	})
	expect(t, "Latest of who came last", b.Latest("p", fmt.Sprint("u", users-1)), strings.Repeat("x", size))
}

// The instance that stored an event may have given it up while its user had a socket at
// another one, which has to see to it then.
func TestWhatAnotherInstanceGaveUpIsBoundedWhereTheUserLeaves(t *testing.T) {
	server := redistest.Start(t)
	const budget, size = 500_000, 50_000
	o := RedisOptions{Options: Options{MaxAbsentBytes: budget}, Lease: time.Hour}
	a, b := newRedis(t, server, o), newRedis(t, server, o)
	a.Put(stored("p", "alice", Updating, "kept"))
	b.Join("p", "alice") // b was not told of the event
	fill := func(s *Redis, name string) {
		for n := range 2 * budget / size {
			s.Put(stored("p", fmt.Sprint(name, n), Updating, strings.Repeat("x", size)))
		}
	}
	fill(a, "first")
	a.Join("p", "alice")
	a.Leave("p", "alice", true)
	expect(t, "Replay where the user has a socket", b.Replay("p"), "kept")
	if !b.Leave("p", "alice", true) {
		t.Error("Leave = false; it was the last socket")
	}
	expect(t, "Latest of who left", a.Latest("p", "alice"), "kept")
	fill(b, "second")
	expect(t, "Latest when there was no room any more", a.Latest("p", "alice"), "")
	if left := server.Do("KEYS", "p/alice:*"); left != "" {
		t.Errorf("%q is left", left)
	}
}

// Of what two instances stored in the same place at the same time, the newer one stays, in
// whichever order it came to Redis. One of the two sees to it, and nothing is left of the other.
func TestOneInstanceSeesToWhatTwoStoredAtOnce(t *testing.T) {
	server := redistest.Start(t)
	const budget, size = 500_000, 50_000
	o := RedisOptions{Options: Options{MaxAbsentBytes: budget}, Lease: 300 * time.Millisecond}
	a, b := newRedis(t, server, o), newRedis(t, server, o)
	newest := map[string]string{}
	for n, at := range [][2]int64{{10, 10}, {10, 11}, {11, 10}} {
		for _, aFirst := range []bool{false, true} {
			user := fmt.Sprint("u", n, aFirst)
			mine, other := stored("p", user, Updating, "a"), stored("p", user, Updating, "b")
			mine.At, other.At = clock.Load()+at[0], clock.Load()+at[1]
			if aFirst {
				a.Put(mine)
				b.Put(other)
			} else {
				b.Put(other)
				a.Put(mine)
			}
			a.Observe(other)
			b.Observe(mine)
			if newest[user] = "b"; mine.newerThan(&other) {
				newest[user] = "a"
			}
		}
	}
	fresh := newRedis(t, server, RedisOptions{Lease: time.Hour})
	for user, data := range newest {
		for name, s := range map[string]*Redis{"a": a, "b": b} {
			if got := said(s.Latest("p", user)); got != data {
				t.Errorf("Latest of %s at %s = %q; want %q", user, name, got, data)
			}
		}
		testkit.Eventually(t, "Redis has the newer one", func() bool { return said(fresh.Latest("p", user)) == data })
	}
	a.Put(stored("p", "late", Updating, "x")) // after the other instance has let the user go
	a.Observe(Event{ID: NewID(), Source: "late", Practice: "p", Action: Logout, Type: UserSession})
	testkit.Eventually(t, "nothing is left of who is gone", func() bool { return server.Do("KEYS", "p/late:*") == "" })
	for n := range 2 * budget / size {
		for name, s := range map[string]*Redis{"a": a, "b": b} {
			s.Put(stored("p", fmt.Sprint("fill", name, n), Updating, strings.Repeat("x", size)))
		}
	}
	testkit.Eventually(t, "there is no room for them any more", func() bool { return server.Do("KEYS", "p/u*_CARD") == "" })
}

// Events of users who have no socket here any more, but one elsewhere, are in the budget.
func TestMemoryOfUsersWhoAreElsewhereIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const budget, size, users = 500_000, 50_000, 20
	a := newRedis(t, server, RedisOptions{Options: Options{MaxAbsentBytes: budget}, Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Lease: time.Hour})
	for n := range users {
		user := fmt.Sprint("u", n)
		a.Join("p", user)
		b.Join("p", user)
		a.Put(stored("p", user, Updating, strings.Repeat("x", size)))
	}
	for n := range users {
		a.Leave("p", fmt.Sprint("u", n), false)
	}
	if st := a.Stats().Mirror; st.Absent > budget {
		t.Errorf("%d bytes are of users without a socket; want %d at most", st.Absent, budget)
	}
	if n := len(b.Replay("p")); n != users {
		t.Errorf("%d events are replayed where the users are; want all %d", n, users)
	}
}

// What is taken over from another instance does not begin to be stored anew.
func TestWhatIsTakenOverIsAsOldAsItWas(t *testing.T) {
	server := redistest.Start(t)
	a := newRedis(t, server, RedisOptions{Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Options: Options{TTL: time.Hour}, Lease: time.Hour})
	e := stored("p", "alice", Updating, "x")
	e.At = time.Now().Add(-50 * time.Minute).UnixMilli()
	a.Put(e)
	b.Join("p", "alice")
	b.Leave("p", "alice", true)
	if _, put, ok := b.mirror.get(entryKey{member{"p", "alice"}, Updating}); !ok || time.Since(put) < 50*time.Minute {
		t.Errorf("the event is taken for one that was stored at %v, %v; want 50 minutes ago", put, ok)
	}
}

func TestMemoryOfUsersWhoLeaveIsBounded(t *testing.T) {
	const budget, size, users = 500_000, 50_000, 30
	m := NewMemory(Options{MaxAbsentBytes: budget})
	for n := range users {
		user := fmt.Sprint("u", n)
		m.Join("p", user)
		m.Put(stored("p", user, Updating, strings.Repeat("x", size)))
	}
	for n := range users {
		m.Leave("p", fmt.Sprint("u", n), true)
	}
	if st := m.Stats(); st.Absent > budget || st.Events == 0 {
		t.Errorf("stats %+v; want some events in %d bytes at most", st, budget)
	}
}

// One socket has a practice read that is larger than what all sockets may have waiting.
func TestAReplayIsBounded(t *testing.T) {
	server := redistest.Start(t)
	const bound, size, users = 1 << 20, 50_000, 50
	core, lines := observer.New(zapcore.WarnLevel)
	a := newRedis(t, server, RedisOptions{Lease: time.Hour})
	b := newRedis(t, server, RedisOptions{Options: Options{MaxBytes: 10 * size}, MaxReplayBytes: bound, Lease: time.Hour, Log: zap.New(core)})
	b.Join("p", "bob") // with nothing stored
	for n := range users {
		user := fmt.Sprint("u", n)
		a.Join("p", user)
		e := stored("p", user, Updating, strings.Repeat("x", size))
		a.Put(e)
		b.Observe(e)
	}
	got := b.Replay("p")
	if n := len(got); n*size > bound || (n+3)*size < bound {
		t.Errorf("%d events of %d bytes are replayed; want as many as are in %d bytes", n, size, bound)
	}
	for i, e := range got {
		if want := fmt.Sprint("u", users-len(got)+i); e.Source != want {
			t.Fatalf("event %d of %d is of %s; want %s: the newest, oldest first", i, len(got), e.Source, want)
		}
	}
	if n := b.Stats().Failures["too_many"]; n != 1 {
		t.Errorf("too_many = %d; want 1", n)
	}
	if all := lines.All(); len(all) != 1 || !strings.Contains(fmt.Sprint(all[0].ContextMap()["error"]), "bytes") {
		t.Errorf("log %v; want one line, with the bytes that were passed over", all)
	}
	if n := len(a.Replay("p")); n != users {
		t.Errorf("%d events are replayed by default; want all %d", n, users)
	}
}

// What has come is let go before the next is read.
func TestEventsAreReadInSmallParts(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Hour})
	const users, most = 200, 7
	var who []member
	for n := range users {
		user := fmt.Sprint("u", n)
		who = append(who, member{"p", user})
		if n > users/2 { // so that parts grow before there is something in them
			s.Put(stored("p", user, Updating, "x"))
			s.Put(stored("p", user, Viewing, "y"))
		}
	}
	var read []member
	events := 0
	err := s.reads.parts(t.Context(), who, most, func(some []member, of []Event) {
		if len(some) > most || len(of) > 2*len(some) {
			t.Errorf("a part is of %d members and has %d events; want %d members at most", len(some), len(of), most)
		}
		read = append(read, some...)
		events += len(of)
	})
	if err != nil || !slices.Equal(read, who) || events != 2*(users/2-1) {
		t.Errorf("parts() = %v, with %d members and %d events", err, len(read), events)
	}
}

// Many ask for the events of one user, who has large ones in many practices.
func TestManyWhoAskForAUserShareTheReading(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Lease: time.Hour})
	const practices, callers, size = 40, 100, 50_000
	for n := range practices {
		s.Put(stored(fmt.Sprint("p", n), "alice", actions[n%2], strings.Repeat("x", size)+fmt.Sprint(n)))
	}
	for range latestAtOnce { // nobody reads yet
		s.finding <- struct{}{}
	}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			got := s.Latest(AnyPractice, "alice")
			if len(got) != 2 || !strings.HasSuffix(got[0].Data, fmt.Sprint("x", practices-2)) || !strings.HasSuffix(got[1].Data, fmt.Sprint("x", practices-1)) {
				t.Errorf("Latest() = %d events; want the two newest", len(got))
			}
		})
	}
	testkit.Eventually(t, "all have asked", func() bool {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return strings.Count(string(stacks), "session.(*Redis).Latest(") >= callers
	})
	for range latestAtOnce {
		<-s.finding
	}
	all.Wait()
	calls := server.Do("INFO", "commandstats")
	_, calls, _ = strings.Cut(calls, "cmdstat_sscan:calls=")
	if calls, _, _ = strings.Cut(calls, ","); calls != "1" && calls != "2" {
		t.Errorf("%d callers had the user read %s times; want 2 at most", callers, calls)
	}
}

// Few users are read at once; those for whom there is no place in time get what is here.
func TestFewUsersAreReadAtOnce(t *testing.T) {
	server := redistest.Start(t)
	s := newRedis(t, server, RedisOptions{Timeout: time.Second, Lease: time.Hour})
	s.Put(stored("p", "alice", Updating, "x"))
	for range latestAtOnce {
		s.finding <- struct{}{}
	}
	expect(t, "Latest without a place", s.Latest(AnyPractice, "alice"), "x")
	if n := s.Stats().Failures["busy"]; n != 1 {
		t.Errorf("busy = %d; want 1", n)
	}
	<-s.finding
	expect(t, "Latest with a place", s.Latest(AnyPractice, "alice"), "x")
	if n := s.Stats().Failures["busy"]; n != 1 {
		t.Errorf("busy = %d after a call that had a place; want 1", n)
	}
}

// What the memory gave up is not missed any more, and makes room for what is missed later.
func TestWhatIsMissedIsWhatIsInMemory(t *testing.T) {
	server := redistest.Start(t)
	const most, users = 10, 50
	s := newRedis(t, server, RedisOptions{Options: Options{MaxEvents: most}, Lease: 300 * time.Millisecond, Timeout: time.Second})
	server.Kill()
	testkit.Eventually(t, "away", func() bool { return !s.Up() })
	for n := range users {
		s.Put(stored("p", fmt.Sprint("u", n), Updating, fmt.Sprint(n)))
	}
	if n := s.Stats().Missed; n != most {
		t.Errorf("%d events are missed; want the %d that are in memory", n, most)
	}
	server.Restart()
	testkit.Eventually(t, "all is written", func() bool { return s.Up() && s.Stats().Missed == 0 })
	for n := range users {
		want := "0"
		if n >= users-most {
			want = "1"
		}
		if got := server.Do("EXISTS", fmt.Sprint("p/u", n, ":UPDATING_CARD")); got != want {
			t.Errorf("EXISTS of the event of user %d = %s; want %s", n, got, want)
		}
	}
}

// While Redis is away strangers store events under long names, and come and go.
func TestNamesThatWaitForRedisAreBounded(t *testing.T) {
	s := newRedisAt(t, "redis://"+testkit.FreeAddr(t), RedisOptions{Options: Options{MaxAbsentBytes: 10_000}})
	const names = 50_000 // of half a KiB
	long := strings.Repeat("n", 240)
	for n := range names {
		practice, user := fmt.Sprint(long, n), fmt.Sprint(long, n)
		s.Put(stored(practice, user, Updating, "x"))
		s.attendance.noteLeft(departure{s.practices.member(practice, user), practice, true})
	}
	extra, left := 0, 0
	for _, r := range s.writes.extra {
		extra += len(r.key.practice) + len(r.key.user)
	}
	for _, d := range s.attendance.left {
		left += len(d.member.practice) + len(d.user) + len(d.practice)
	}
	const bound = 8 << 20
	if extra > bound || left > bound || extra < bound/2 || left < bound/2 {
		t.Errorf("names of %d bytes wait for removal and of %d for a departure; want %d at most, and not few", extra, left, bound)
	}
	if n := s.Stats().Missed; n > 10_000/entryOverhead {
		t.Errorf("%d events are missed; want what is in memory", n)
	}
	for _, d := range s.attendance.left {
		s.attendance.noteLeft(d) // once more takes no more
		s.attendance.forgetLeft(d.member)
	}
	if n := s.attendance.leftBytes; n != 0 {
		t.Errorf("%d bytes are counted when nobody is left", n)
	}
}
