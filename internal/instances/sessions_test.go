//go:build unix

package instances

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// A socket is a user's screen.
type socket struct {
	t     testing.TB
	c     *websocket.Conn
	texts chan string
	err   error // once texts is closed

	mu   sync.Mutex
	seen map[string]int // how often each text came
}

func (i *instance) dial(path string) *socket {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+i.Addrs[0]+path, nil)
	if err != nil {
		i.t.Fatalf("Dial(%s) = %v; want nil", path, err)
	}
	c.SetReadLimit(1 << 22)
	s := &socket{t: i.t, c: c, texts: make(chan string, 1<<12), seen: make(map[string]int)}
	go func() {
		defer close(s.texts)
		for {
			_, text, err := c.Read(context.Background())
			if err != nil {
				s.err = err
				return
			}
			s.mu.Lock()
			s.seen[string(text)]++
			s.mu.Unlock()
			s.texts <- string(text)
		}
	}()
	i.t.Cleanup(func() { c.CloseNow() })
	return s
}

// next is the next session event.
func (s *socket) next() session.Event {
	s.t.Helper()
	select {
	case text, ok := <-s.texts:
		var e session.Event
		if !ok || json.Unmarshal([]byte(text), &e) != nil {
			s.t.Fatalf("message = %q, %v; want an event", text, s.err)
		}
		return e
	case <-time.After(patience):
		s.t.Fatal("no event")
	}
	return session.Event{}
}

// wantEvent waits for an event; others may come before it.
func (s *socket) wantEvent(id string) {
	s.t.Helper()
	for s.next().ID != id {
	}
}

// gets is wantEvent, but for a time only: it reports whether the event came.
func (s *socket) gets(id string, within time.Duration) bool {
	s.t.Helper()
	end := time.After(within)
	for {
		select {
		case text, ok := <-s.texts:
			if !ok {
				s.t.Fatalf("the socket ended: %v", s.err)
			}
			if strings.Contains(text, id) {
				return true
			}
		case <-end:
			return false
		}
	}
}

// wantNoneTwice holds the socket to have got each event once.
func (s *socket) wantNoneTwice() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, n := range s.seen {
		if n != 1 {
			s.t.Errorf("%s came %d times; want once", text, n)
		}
	}
}

// wantClose waits for the end, and returns how many different events came in all.
func (s *socket) wantClose(code websocket.StatusCode) int {
	s.t.Helper()
	for range s.texts {
	}
	if got := websocket.CloseStatus(s.err); got != code {
		s.t.Errorf("the socket ended with %v; want close %d", s.err, code)
	}
	return len(s.seen)
}

// sample is the request of the README of the service that this one replaces.
const sample = `{
  "username" : "alice",
  "cardId" : "id_123",
  "data" : "this card's subtitle is different now!"
}`

func wantSample(t testing.TB, e session.Event, id string) {
	t.Helper()
	if e.ID != id || e.Source != "alice" || e.Target != "id_123" || e.Data != "this card's subtitle is different now!" ||
		e.Action != "UPDATING_CARD" || e.Type != "USER_SESSION_EVENT" {
		t.Errorf("event = %+v; want the sample with id %s", e, id)
	}
}

// wantLatest holds an instance to know the sample as alice's latest update.
func wantLatest(t testing.TB, base, id string) {
	t.Helper()
	resp, err := http.Get(base + "/poc/replay_event_data/alice")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var answer map[string]session.Event
	if err := json.Unmarshal(bytes.TrimSpace(body), &answer); err != nil || resp.StatusCode != 200 || len(answer) != 1 {
		t.Errorf("GET replay_event_data = %d %s; want lastUpdateEvent alone", resp.StatusCode, body)
	}
	wantSample(t, answer["lastUpdateEvent"], id)
}

func TestRequestsOfTheOriginalWorkAtOneInstance(t *testing.T) {
	t.Parallel()
	i := start(t, "-port", "127.0.0.1:0,127.0.0.1:0") // -port :3569,:8123
	screen := i.dial("/ws/myPracticeId/bob")
	testkit.Eventually(t, "bob is there", func() bool { return i.Metric("dispatcher_session_active_users") == 1 })
	second := "http://" + i.Addrs[1]
	resp, err := http.Post(second+"/poc/submit_update_event", "application/json", strings.NewReader(sample))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST = %v, %v; want 200", resp, err)
	}
	resp.Body.Close()
	id := resp.Header.Get("X-Event-Id")
	wantSample(t, screen.next(), id)
	for _, addr := range i.Addrs {
		wantLatest(t, "http://"+addr, id)
	}
}

func TestScreensAtTwoInstancesShareTheirState(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL(), "-session-grace", "300ms")
	a, b := all[0], all[1]
	alice := a.dial("/ws/myPracticeId/alice")
	bob := b.dial("/ws/MYPRACTICEID/bob")
	testkit.Eventually(t, "both are active", func() bool {
		return strings.Contains(server.Do("SMEMBERS", "users"), "alice") && strings.Contains(server.Do("SMEMBERS", "users"), "bob")
	})
	status, header, err := a.Post("/poc/submit_update_event", sample)
	if err != nil || status != 200 {
		t.Fatalf("POST = %d, %v; want 200", status, err)
	}
	id := header.Get("X-Event-Id")
	wantSample(t, alice.next(), id)
	wantSample(t, bob.next(), id)
	for _, i := range all {
		wantLatest(t, i.URL(""), id)
	}
	// The names of the original, so that it can share this Redis.
	var stored session.Event
	if err := json.Unmarshal([]byte(server.Do("GET", "alice:UPDATING_CARD")), &stored); err != nil {
		t.Errorf("GET alice:UPDATING_CARD: %v", err)
	}
	wantSample(t, stored, id)

	carol := b.dial("/ws/myPracticeId/carol")
	wantSample(t, carol.next(), id) // by replay

	// Another tab of alice's, elsewhere: she stays when the first closes.
	tab := b.dial("/ws/myPracticeId/alice?replay=0")
	testkit.Eventually(t, "the tab is open", func() bool {
		return b.Metric("dispatcher_session_sockets") == 3 && b.Metric("dispatcher_session_active_users") == 3
	})
	alice.c.Close(websocket.StatusNormalClosure, "")
	testkit.Eventually(t, "the first tab has left", func() bool { return a.Metric("dispatcher_session_active_users") == 0 })
	if users := server.Do("SMEMBERS", "users"); !strings.Contains(users, "alice") {
		t.Errorf("users = %s; want alice among them", users)
	}
	tab.c.Close(websocket.StatusNormalClosure, "")
	for _, s := range []*socket{bob, carol} {
		if e := s.next(); e.Action != "USER_LOGOUT" || e.Source != "alice" {
			t.Errorf("event = %+v; want alice's logout", e)
		}
	}
	if got := server.Do("EXISTS", "alice:UPDATING_CARD"); got != "0" {
		t.Errorf("EXISTS alice:UPDATING_CARD = %s after the logout; want 0", got)
	}
	if _, body := b.Get("/poc/replay_event_data/alice"); strings.TrimSpace(body) != "{}" {
		t.Errorf("GET replay_event_data = %s after the logout; want {}", body)
	}
}

// The service that this one replaces publishes bare events on the channel.
func TestEventsOfTheOriginalReachScreens(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := startAll(t, 1, server.URL())[0]
	bob := i.dial("/ws/mypracticeid/bob")
	testkit.Eventually(t, "bob is active", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "bob") })
	server.Do("PUBLISH", "my-redis-channel", "not JSON")
	server.Do("PUBLISH", "my-redis-channel", `{"eventId":"1","sourceId":"alice","targetId":"id_123","data":null,"eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT"}`)
	if e := bob.next(); e.ID != "1" || e.Source != "alice" || e.Action != "VIEWING_CARD" {
		t.Errorf("event = %+v; want the original's", e)
	}
	if n := i.Metric(`dispatcher_relay_decode_errors_total{events="sessions",reason="json"}`); n != 1 {
		t.Errorf("decode errors = %v; want 1", n)
	}
}

func TestSessionsGoOnWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := startAll(t, 1, server.URL())[0]
	bob := i.dial("/ws/myPracticeId/bob")
	testkit.Eventually(t, "bob is active", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "bob") })
	server.Kill()
	status, header, err := i.Post("/poc/submit_update_event", sample)
	if err != nil || status != 200 {
		t.Fatalf("POST without Redis = %d, %v; want 200", status, err)
	}
	id := header.Get("X-Event-Id")
	wantSample(t, bob.next(), id)
	wantLatest(t, i.URL(""), id)
	server.Restart()
	testkit.Eventually(t, "what Redis missed is there", func() bool { return strings.Contains(server.Do("GET", "alice:UPDATING_CARD"), id) })
}

func TestFirehoseOverWebSocketReachesAcrossInstances(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	all := startAll(t, 2, server.URL())
	near, far := all[0].dial("/event-dispatcher"), all[1].dial("/events")
	all[1].hear() // at once, but where the server takes longer than a stream's opening waits
	all[0].player(1).publish(500)
	for _, s := range []*socket{near, far} {
		for n := range 500 {
			select {
			case text := <-s.texts:
				if text != numbered(1, n+1) {
					t.Fatalf("message %d = %.60q; want the event as it was posted", n, text)
				}
			case <-time.After(patience):
				t.Fatalf("no message %d", n)
			}
		}
	}
}

// Names with the punctuation of keys, and the longest ones, do not collide.
func TestNamesOfUsersDoNotCollideInRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	i := startAll(t, 1, server.URL())[0]
	names := []string{"a:b", "a", "a%3Ab", "a/b", "é", "{a}", "a b", "users", strings.Repeat("n", 256), strings.Repeat("é", 128)}
	for k, name := range names {
		body, _ := json.Marshal(map[string]string{"username": name, "cardId": "c", "data": fmt.Sprint(k)})
		if status, _, err := i.Post("/poc/submit_update_event", string(body)); err != nil || status != 200 {
			t.Fatalf("POST for %q = %d, %v; want 200", name, status, err)
		}
	}
	for k, name := range names {
		escaped := ""
		for _, b := range []byte(name) {
			escaped += fmt.Sprintf("%%%02X", b)
		}
		if _, body := i.Get("/poc/replay_event_data/" + escaped); !strings.Contains(body, fmt.Sprintf(`"data":"%d"`, k)) {
			t.Errorf("latest of %q = %s; want data %d", name, body, k)
		}
	}
}
