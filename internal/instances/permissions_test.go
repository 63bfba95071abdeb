//go:build unix

package instances

import (
	"os"
	"strings"
	"testing"

	"event-dispatcher/internal/redistest"
)

// The permissions that docs/sessions.md asks for are enough.
func TestDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, command, found := strings.Cut(string(page), "ACL SETUSER dispatcher ")
	command, _, end := strings.Cut(command, "\n\n")
	if !found || !end {
		t.Fatal("docs/sessions.md has no ACL SETUSER")
	}
	server := redistest.Start(t)
	server.Do(append([]string{"ACL", "SETUSER", "dispatcher"}, strings.Fields(command)...)...)
	url := "redis://dispatcher:secret@" + server.Addr
	all := startAll(t, 2, url, "-session-grace", "10ms")
	far := all[1].listen()
	all[0].player(1).publish(1)
	far.wantBooks(1)
	bob := all[1].dial("/ws/other/bob")
	eventually(t, "bob is active", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "other/bob") })
	alice := all[0].dial("/ws/other/alice")
	eventually(t, "alice is active", func() bool { return strings.Contains(server.Do("SMEMBERS", "users"), "other/alice") })
	all[0].post("/poc/submit_update_event", `{"username":"alice","cardId":"c","practiceId":"other"}`)
	if e := bob.next(); e.Source != "alice" {
		t.Errorf("event = %+v; want alice's", e)
	}
	if _, body := all[1].get("/poc/replay_event_data/alice"); !strings.Contains(body, "lastUpdateEvent") {
		t.Errorf("GET replay_event_data = %s; want the update", body)
	}
	alice.c.CloseNow()
	if e := bob.next(); e.Action != "USER_LOGOUT" {
		t.Errorf("event = %+v; want alice's logout", e)
	}
	for _, i := range all {
		if n := i.metric(`dispatcher_session_store_failures_total{reason="denied"}`); n != 0 {
			t.Errorf("%v calls were denied; want 0", n)
		}
	}
}
