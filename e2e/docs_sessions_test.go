//go:build unix

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// onePractice plays the first section of docs/sessions.md, as somebody would who
// reads it: with two pages and curl.
func onePractice(t *testing.T, _ string) {
	one, two := free(t), free(t)
	var steps []string
	for _, p := range passages(t) {
		if p.file == "docs/sessions.md" && p.command() {
			steps = append(steps, strings.NewReplacer(":3569,:8123", one+","+two, "localhost:8123", two).Replace(p.text))
		}
	}
	program, alice, change, latest, bob := steps[0], steps[1], steps[2], steps[3], steps[4]
	shell(t, "..", program)
	listening(t, one)
	listening(t, two)
	const subtitle = "this card's subtitle is different now!"
	screen := func(script string) (do func(string, any), shows func(what string)) {
		do = browse(t, "http://"+two+"/health")
		do(`got = ""; console.log = (text) => got += text; `+script+";0", nil)
		return do, func(what string) {
			t.Helper()
			var got string
			eventually(t, "the screen shows "+what, func() bool { do("got", &got); return strings.Contains(got, what) })
		}
	}
	hers, she := screen(alice)
	eventually(t, "her socket is open", func() bool { return strings.Contains(get(t, two, "/metrics"), "\ndispatcher_session_sockets 1\n") })
	if out, err := exec.Command("sh", "-c", change).CombinedOutput(); err != nil || !strings.Contains(string(out), "200 OK") {
		t.Fatalf("%s = %v\n%s", change, err, out)
	}
	she(subtitle)
	if out, err := exec.Command("sh", "-c", latest).Output(); err != nil || !strings.Contains(string(out), subtitle) {
		t.Errorf("%s = %s, %v; want the event", latest, out, err)
	}
	_, he := screen(bob)
	he(subtitle)
	hers(`location.href = "about:blank"; 0`, nil)
	he("USER_LOGOUT")
}

// twoInstances plays the second section.
func twoInstances(t *testing.T, text string) {
	redis, first, second := free(t), free(t), free(t)
	_, port, _ := strings.Cut(redis, ":")
	script := strings.NewReplacer(
		"redis-server", "redis-server --save '' --dir "+t.TempDir()+" --port "+port, "localhost:6379", redis, ":8123", first, ":8124", second,
	).Replace(text)
	shell(t, "..", script+"\nwait")
	for _, addr := range []string{first, second} {
		listening(t, addr)
		eventually(t, "the instances share sessions", func() bool {
			return strings.Contains(get(t, addr, "/metrics"), "\ndispatcher_relay_up{events=\"sessions\"} 1\n") && strings.Contains(get(t, addr, "/readyz"), `"ready"`)
		})
	}
	stream, _ := shell(t, "..", "curl -sN "+second+"/events")
	prints(t, stream, ": connected")
	hears(t, second)
	screen := dialWithNode(t, "ws://"+second+"/ws/myPracticeId/alice")
	submit(t, first)
	eventually(t, "the screen shows it", func() bool { return len(texts(screen)) == 1 })
	if out, err := exec.Command("curl", "-sf", "-d", `{"n":1}`, first+"/metrics").CombinedOutput(); err != nil {
		t.Fatalf("curl = %v\n%s", err, out)
	}
	prints(t, stream, `data: {"n":1}`)

	if out, err := exec.Command("redis-cli", "-p", port, "shutdown", "nosave").CombinedOutput(); err != nil {
		t.Fatalf("redis-cli = %v\n%s", err, out)
	}
	for _, addr := range []string{first, second} {
		eventually(t, "it is degraded", func() bool {
			return strings.Contains(get(t, addr, "/readyz"), `{"status":"degraded","degraded":["redis"]}`)
		})
	}
}
