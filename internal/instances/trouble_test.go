//go:build unix

package instances

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestRedisThatComesLateIsFound(t *testing.T) {
	t.Parallel()
	addr := testkit.FreeAddr(t)
	url := "redis://user:hunter2@" + addr
	a, b := start(t, "-redis", url), start(t, "-redis", url)
	near, bob := a.listen(), a.dial("/ws/p/bob")
	player := a.player(1)
	player.publish(1)
	near.wantBooks(1)
	if status, body := a.Get("/readyz"); status != 200 || !strings.Contains(body, `"degraded":["redis"]`) {
		t.Errorf("GET /readyz = %d %s; want 200 and degraded", status, body)
	}
	status, header, err := a.Post("/poc/submit_update_event", sample)
	if status != 200 {
		t.Errorf("submit = %d, %v; want 200", status, err)
	}
	testkit.Eventually(t, "the submission is known", func() bool {
		_, body := a.Get("/poc/replay_event_data/alice")
		return strings.Contains(body, header.Get("X-Event-Id"))
	})
	for _, i := range []*instance{a, b} {
		i.wantLog(`"relay: cannot publish"`, `"events":"firehose"`, `"redis":"`+addr+`"`, "connection refused")
		i.wantLog(`"relay: cannot publish"`, `"events":"sessions"`, `"redis":"`+addr+`"`, "connection refused")
		i.wantLog(`"relay: cannot subscribe"`, `"redis":"`+addr+`"`)
		i.wantLog(`"sessions: cannot use Redis; continuing with this instance's memory"`, `"redis":"`+addr+`"`)
	}
	redistest.StartAt(t, addr, "--user", "user", "on", ">hunter2", "~*", "&*", "+@all")
	together(t, a, b)
	far := b.listen()
	player.publish(1)
	far.wantBooks(1)
	// What was submitted without Redis is there, and who is active.
	testkit.Eventually(t, "the other instance knows", func() bool {
		_, body := b.Get("/poc/replay_event_data/alice")
		return strings.Contains(body, header.Get("X-Event-Id"))
	})
	bob.c.CloseNow()
}

func TestLogNamesAllAddressesAndNoPassword(t *testing.T) {
	t.Parallel()
	hosts := testkit.FreeAddr(t) + "," + testkit.FreeAddr(t)
	for _, url := range []string{
		"redis://user:hunter2@" + hosts + "/0",
		"redis-sentinel://user:hunter2@" + hosts + "/main?sentinel_password=hunter2",
	} {
		i := start(t, "-redis", url)
		for _, message := range []string{"relay: cannot publish", "relay: cannot subscribe", "sessions: cannot use Redis; continuing with this instance's memory"} {
			i.wantLog(message, `"redis":"`+hosts+`"`)
		}
		if strings.Contains(i.Log.String(), "hunter2") {
			t.Error("the log has the password")
		}
	}
}

// wantLog waits for a line with all of the words.
func (i *instance) wantLog(words ...string) {
	i.t.Helper()
	testkit.Eventually(i.t, fmt.Sprintf("the log has a line with %q", words), func() bool {
	lines:
		for line := range strings.Lines(i.Log.String()) {
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue lines
				}
			}
			return true
		}
		return false
	})
}

func TestWrongPasswordIsLoggedAndHeals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "secret")
	right := start(t, "-redis", "redis://:secret@"+server.Addr)
	wrong := start(t, "-redis", "redis://:hunter2@"+server.Addr)
	near, far := wrong.listen(), right.listen()
	player := wrong.player(1)
	player.publish(1)
	near.wantBooks(1)
	wrong.wantLog(`"relay: cannot publish"`, `"redis":"`+server.Addr+`"`, "WRONGPASS")
	wrong.wantLog(`"relay: cannot subscribe"`, "WRONGPASS")
	wrong.wantLog(`"sessions: cannot use Redis; continuing with this instance's memory"`, "WRONGPASS")
	if strings.Contains(wrong.Log.String(), "hunter2") {
		t.Error("the log has the password")
	}
	if status, body := wrong.Get("/readyz"); status != 200 || !strings.Contains(body, `"degraded":["redis"]`) {
		t.Errorf("GET /readyz = %d %s; want 200 and degraded", status, body)
	}
	server.DoAs("", "secret", "CONFIG", "SET", "requirepass", "hunter2")
	together(t, wrong, right)
	r, s := far.books()
	player.publish(1)
	near.wantBooks(2)
	testkit.Eventually(t, "events reach the other", func() bool { r2, s2 := far.books(); return r2+s2 > r+s })
}

// A Redis that takes a second for everything costs time; the events wait for it.
func TestSlowRedisIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL())
	p := newPair(t, all[0], all[1], 50)
	for range 5 {
		server.Pause(time.Second)
		p.wantLocalSession()
		server.Do("PING") // answered after the pause
	}
	p.settled()
	for _, i := range all {
		for _, reason := range []string{"full", "rejected", "refused"} {
			if n := i.Metric(`dispatcher_relay_dropped_events_total{events="firehose",reason="` + reason + `"}`); n != 0 {
				t.Errorf("dropped %v events as %s; want 0", n, reason)
			}
		}
	}
}

// A Redis without memory takes no session event; they go on between the screens,
// and are stored once there is room.
func TestFullRedisLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL())
	p := newPair(t, all[0], all[1], 50)
	server.Do("CONFIG", "SET", "maxmemory", "1")
	var id string
	for range 5 {
		id = p.submit(p.a, "carol")
		p.alice.wantEvent(id)
		p.bob.wantEvent(id)
	}
	if n := p.a.Metric(`dispatcher_session_store_failures_total{reason="full"}`); n < 5 {
		t.Errorf("store failures for lack of memory = %v; want 5 or more", n)
	}
	p.away(p.a) // degraded, although it answers
	p.a.wantLog(`"sessions: Redis call failed"`, `"call":"store an event"`, `"reason":"full"`, `"redis":"`+server.Addr+`"`)
	if got := server.Do("GET", "p/carol:UPDATING_CARD"); got != "" {
		t.Errorf("stored %q in a Redis without memory", got)
	}
	if _, body := p.a.Get("/poc/replay_event_data/carol"); !strings.Contains(body, id) {
		t.Errorf("GET replay_event_data = %s; want event %s from memory", body, id)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	testkit.Eventually(t, "what did not fit is stored", func() bool {
		return strings.Contains(server.Do("GET", "p/carol:UPDATING_CARD"), id)
	})
	p.settled()
}

// Keys that somebody else has put something else under are counted and logged.
func TestWrongTypesInRedisHurtNobodyElse(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Do("LPUSH", "mallory:UPDATING_CARD", "x")
	server.Do("SET", "trudy:UPDATING_CARD", "not JSON")
	server.Do("SET", "p/eve:SOCKETS", "x")
	all := startAll(t, 2, server.URL())
	a, b := all[0], all[1]
	for _, user := range []string{"mallory", "trudy"} {
		if status, body := a.Get("/poc/replay_event_data/" + user); status != 200 || strings.TrimSpace(body) != "{}" {
			t.Errorf("GET replay_event_data/%s = %d %s; want {}", user, status, body)
		}
	}
	bob := b.dial("/ws/p/bob")
	a.dial("/ws/p/eve")
	testkit.Eventually(t, "bob is active", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "p/bob") })
	for _, reason := range []string{"wrong_type", "corrupt"} {
		if n := a.Metric(`dispatcher_session_store_failures_total{reason="` + reason + `"}`); n == 0 {
			t.Errorf("no failure counted as %s", reason)
		}
		a.wantLog(`"sessions: Redis call failed"`, `"reason":"`+reason+`"`, `"redis":"`+server.Addr+`"`)
	}
	status, header, _ := a.Post("/poc/submit_update_event", `{"username":"eve","cardId":"c","practiceId":"p"}`)
	if status != 200 {
		t.Errorf("submit = %d; want 200", status)
	}
	bob.wantEvent(header.Get("X-Event-Id"))

	// The set of users is no set: nobody is active for a replay, the rest goes on.
	server.Do("SET", "users", "x")
	carol := b.dial("/ws/p/carol")
	_, header, _ = a.Post("/poc/submit_update_event", `{"username":"eve","cardId":"d","practiceId":"p"}`)
	for _, s := range []*socket{bob, carol} {
		s.wantEvent(header.Get("X-Event-Id"))
	}
	if status, body := b.Get("/readyz"); status != 200 || strings.Contains(body, "degraded") {
		t.Errorf("GET /readyz = %d %s; want ready", status, body)
	}
	server.Do("DEL", "users")
	testkit.Eventually(t, "the set of users is made again", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "p/bob") })
}

// Others may publish on the channels, too.
func TestForeignMessagesAreCountedAndLogged(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL())
	p := newPair(t, all[0], all[1], 50)
	const (
		each    = 20
		foreign = "{what another program says"
	)
	for range each {
		server.Do("PUBLISH", "event-dispatcher", foreign)
		server.Do("PUBLISH", "my-redis-channel", foreign)
	}
	p.settled()
	for _, i := range all {
		i.wantLog("ignored a message that no instance sent", `"reason":"foreign"`, `"redis":"`+server.Addr+`"`)
		i.wantLog("a message on the sessions' channel is not an event", `"reason":"json"`)
		if strings.Contains(i.Log.String(), "what another program says") {
			t.Error("the log repeats what was published")
		}
		for series, want := range map[string]float64{
			`dispatcher_relay_decode_errors_total{events="firehose",reason="foreign"}`: each,
			`dispatcher_relay_decode_errors_total{events="sessions",reason="json"}`:    each,
		} {
			if n := i.Metric(series); n != want {
				t.Errorf("%s = %v; want %v", series, n, want)
			}
		}
	}
}
