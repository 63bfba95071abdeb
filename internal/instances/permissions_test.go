//go:build unix

package instances

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// The permissions that docs/sessions.md asks for are enough for everything, and
// none is too much: each is used.
func TestDocumentedPermissionsSuffice(t *testing.T) {
	t.Parallel()
	alone, cluster, sentinel := documentedPermissions(t)
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		permit([]*redistest.Server{server}, alone)
		useEverything(t, "redis://dispatcher:secret@"+server.Addr, server)
		wantUsed(t, alone, server)
	})
	t.Run("cluster", func(t *testing.T) {
		t.Parallel()
		c := redistest.StartCluster(t)
		permit(c.Nodes, alone, cluster)
		useEverything(t, clusterURL(c, "dispatcher:secret@"), c.Nodes...)
		wantUsed(t, cluster, c.Nodes...)
	})
	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		server := redistest.Start(t)
		permit([]*redistest.Server{server}, alone, sentinel)
		watch := redistest.StartSentinel(t, "main", server)
		useEverything(t, "redis-sentinel://dispatcher:secret@"+watch.Addr+"/main", server)
		wantUsed(t, sentinel, server)
	})
}

// documentedPermissions are the rules of a user as redis-cli gets them when the
// command is pasted into a shell, and those on top in a cluster and with Sentinel.
func documentedPermissions(t *testing.T) (alone, cluster, sentinel []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	between := func(before, after string) string {
		_, rest, found := strings.Cut(page, before)
		rest, _, end := strings.Cut(rest, after)
		if !found || !end {
			t.Fatalf("docs/sessions.md has nothing between %q and %q", before, after)
		}
		return rest
	}
	const command = "redis-cli ACL SETUSER dispatcher "
	return pasted(t, command+between(command, "\n\n"))[len(setUser):],
		strings.Fields(between("in a cluster `", "`")), strings.Fields(between("with Sentinel `", "`"))
}

var setUser = []string{"ACL", "SETUSER", "dispatcher"}

// pasted are the arguments that a shell gives to the redis-cli of a command.
func pasted(t *testing.T, command string) []string {
	t.Helper()
	dir := t.TempDir()
	cli := "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "redis-cli"), []byte(cli), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-e")
	shell.Dir, shell.Env = dir, []string{"PATH=" + dir}
	shell.Stdin = strings.NewReader(command + "\n")
	out, err := shell.CombinedOutput()
	args := strings.Fields(string(out))
	if err != nil || len(args) <= len(setUser) || !slices.Equal(args[:len(setUser)], setUser) {
		t.Fatalf("a shell makes %q of\n%s\n%v", out, command, err)
	}
	return args
}

// permit gives the servers a user with these rules.
func permit(servers []*redistest.Server, rules ...[]string) {
	for _, s := range servers {
		s.Do(slices.Concat(append([][]string{setUser}, rules...)...)...)
	}
}

// useEverything runs two instances through all that they do with Redis.
func useEverything(t *testing.T, url string, servers ...*redistest.Server) {
	t.Helper()
	all := startAll(t, 2, url, "-session-grace", "10ms")
	far := all[1].listen()
	all[0].player(1).publish(1)
	far.wantBooks(1)
	bob, alice := all[1].dial("/ws/other/bob"), all[0].dial("/ws/other/alice")
	for _, i := range all {
		testkit.Eventually(t, "the user is active", func() bool { return i.Metric("dispatcher_session_active_users") == 1 })
	}
	_, header, _ := all[0].Post("/poc/submit_update_event", `{"username":"alice","cardId":"c","practiceId":"other"}`)
	bob.wantEvent(header.Get("X-Event-Id"))
	testkit.Eventually(t, "the other instance knows the event", func() bool {
		_, body := all[1].Get("/poc/replay_event_data/alice")
		return strings.Contains(body, header.Get("X-Event-Id"))
	})
	far.close()
	testkit.Eventually(t, "the instance without consumers hears nobody", func() bool { return all[1].Metric(channels) == 0 })
	carol := all[1].dial("/ws/other/carol")
	carol.wantEvent(header.Get("X-Event-Id")) // by replay
	alice.c.CloseNow()
	if e := bob.next(); e.Action != "USER_LOGOUT" || e.Source != "alice" {
		t.Errorf("event = %+v; want alice's logout", e)
	}
	testkit.Eventually(t, "alice's event is deleted", func() bool {
		_, body := all[1].Get("/poc/replay_event_data/alice")
		return strings.TrimSpace(body) == "{}"
	})
	for _, i := range all {
		for _, reason := range []string{"denied", "other"} {
			if n := i.Metric(`dispatcher_session_store_failures_total{reason="` + reason + `"}`); n != 0 {
				t.Errorf("%v calls failed as %s; want 0", n, reason)
			}
		}
		i.Exits(syscall.SIGTERM)
		if strings.Contains(i.Log.String(), "NOPERM") {
			t.Error("the log has a NOPERM")
		}
	}
	for _, s := range servers {
		if denied := s.Do("ACL", "LOG"); denied != "" {
			t.Errorf("ACL LOG: %s; want nothing denied", denied)
		}
	}
}

// wantUsed holds each command of a list of permissions to have been called.
func wantUsed(t *testing.T, permissions []string, servers ...*redistest.Server) {
	t.Helper()
	var used []string
	for _, s := range servers {
		for line := range strings.Lines(s.Do("INFO", "commandstats")) {
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
			used = append(used, name)
		}
	}
	for _, p := range permissions {
		if command, ok := strings.CutPrefix(p, "+"); ok && !slices.Contains(used, command) {
			t.Errorf("%s is documented, and not used", p)
		}
	}
}
