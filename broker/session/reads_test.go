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
)

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
