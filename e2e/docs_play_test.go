//go:build unix

package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// here has the service of the documents at another address.
func here(text, addr string) string {
	return strings.NewReplacer("http://localhost:3569", "http://"+addr, "ws://localhost:3569", "ws://"+addr, "localhost:3569", addr).Replace(text)
}

// commands are the lines of a script without their comments.
func commands(text string) (all []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "  #")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// The three commands of the README, and what it says that the second terminal shows.
func firstMinute(t *testing.T, _ string) {
	addr := free(t)
	var lines []string
	for _, p := range passages(t) {
		if p.file == "README.md" && p.language == "sh" {
			lines = append(lines, commands(here(p.text, addr))...)
		}
	}
	if len(lines) != 3 {
		t.Fatalf("the README begins with %q; want three commands", lines)
	}
	shell(t, "..", "PORT="+addr+" "+lines[0])
	listening(t, addr)
	second, _ := shell(t, "..", lines[1])
	prints(t, second, ": connected\n")
	shell(t, "..", lines[2])
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "\n```\n: connected\n")
	shown, _, _ = strings.Cut(shown, "\n```")
	prints(t, second, shown+"\n")
}

func listening(t testing.TB, addr string) {
	t.Helper()
	eventually(t, "the program listens", func() bool {
		return exec.Command("curl", "-sf", "http://"+addr+"/livez").Run() == nil
	})
}

var heard = regexp.MustCompile(`session_id|"s\d+"|"position"`)

// listens plays a script that prints events, or writes them to a file.
func listens(t *testing.T, text string) {
	addr := start(t, 1)[0]
	speaks(t, addr)
	dir := t.TempDir()
	out, _ := shell(t, dir, here(text, addr))
	eventually(t, "events arrive", func() bool {
		file, _ := os.ReadFile(filepath.Join(dir, "events.ndjson")) // there may be none
		return heard.MatchString(out.String()) || heard.Match(file)
	})
}

func listensWith(name string, args ...string) func(*testing.T, string) {
	return func(t *testing.T, text string) {
		addr := start(t, 1)[0]
		speaks(t, addr)
		out, _ := running(t, t.TempDir(), name, append(args, here(text, addr))...)
		prints(t, out, "session_id")
	}
}

func listensInGo(t *testing.T, text string) {
	file := filepath.Join(t.TempDir(), "main.go")
	program := "package main\n\nimport (\n\"bufio\"\n\"bytes\"\n\"fmt\"\n\"log\"\n\"net/http\"\n)\n\nfunc handle(line []byte) { fmt.Printf(\"%s\", line) }\n\nfunc main() { fmt.Println(run()) }\n\nfunc run() error {\n"
	listensWith("sh", "-c", `printf '%s' "$1" > `+file+` && exec go run `+file, "sh")(t, program+text+"}\n")
}

func listensInJava(t *testing.T, text string) {
	file := filepath.Join(t.TempDir(), "Main.java")
	program := "import java.net.*;\nimport java.net.http.*;\n\nclass Main { public static void main(String[] args) throws Exception {\n"
	listensWith("sh", "-c", `printf '%s' "$1" > `+file+` && exec java `+file, "sh")(t, program+text+"}}\n")
}

// listensInPage runs a script in a page of the service.
func listensInPage(t *testing.T, text string) {
	addr := start(t, 1)[0]
	speaks(t, addr)
	do := browse(t, "http://"+addr+"/health")
	text = strings.TrimSpace(here(text, addr))
	if strings.HasPrefix(text, "new ") {
		text = "(" + text + ").onmessage = e => show(e.data)"
	}
	do(`got = []; show = (data) => got.push(data); console.log = (event) => got.push(JSON.stringify(event)); `+text+"\n;0", nil)
	var got []string
	eventually(t, "events arrive", func() bool { do("got", &got); return len(got) > 0 && heard.MatchString(got[0]) })
}

// answers holds a command to print what stands below it, up to an ellipsis.
func answers(t *testing.T, text string) {
	addr := start(t, 1)[0]
	for part := range strings.SplitSeq(strings.TrimPrefix(here(text, addr), "$ "), "\n$ ") {
		command, want, _ := strings.Cut(part, "\n")
		want, _, _ = strings.Cut(want, "…")
		out, _ := shell(t, t.TempDir(), command)
		prints(t, out, want)
	}
}

// goesOn plays the loop that goes on where its file ends.
func goesOn(t *testing.T, text string) {
	addr := start(t, 1)[0]
	dir := t.TempDir()
	has := func(event string) int {
		file, _ := os.ReadFile(filepath.Join(dir, "log.ndjson")) // not there yet
		return strings.Count(string(file), event)
	}
	_, stop := shell(t, dir, here(text, addr))
	eventually(t, "the loop listens", func() bool {
		return strings.Contains(get(t, addr, "/metrics"), "\ndispatcher_consumers{wire=\"ndjson\"} 1\n")
	})
	send(t, addr, `{"n":"while it listens"}`)
	eventually(t, "the event is in the file, and its id", func() bool { return has("while it listens") > 0 && has(`{"$dispatcher":{"id":`) > 0 })
	stop()
	send(t, addr, `{"n":"while it does not"}`)
	shell(t, dir, here(text, addr))
	eventually(t, "the event is in the file", func() bool { return has("while it does not") > 0 })
	for _, event := range []string{"while it listens", "while it does not"} {
		if n := has(event); n != 1 {
			t.Errorf("the file has %q %d times; want once", event, n)
		}
	}
}

// checks has the program look at its flags, with files where the document has some.
func checks(t *testing.T, text string) {
	cert := newIdentity(t).cert
	for _, line := range commands(text) {
		line = strings.NewReplacer("event_dispatcher", binary+" -check", "/etc/nats/dispatcher.creds", cert, "/etc/nats/ca.pem", cert).Replace(line)
		out, _ := shell(t, t.TempDir(), line)
		prints(t, out, "configuration OK")
	}
}

// configures has the program check a file of its flags.
func configures(t *testing.T, text string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dispatcher.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := shell(t, dir, binary+" -config dispatcher.toml -check")
	prints(t, out, "configuration OK")
}

// secures has the program check the command line for everything.
func secures(t *testing.T, text string) {
	id := newIdentity(t)
	line := strings.NewReplacer("event_dispatcher", binary+" -check", "cert.pem", id.cert, "key.pem", id.key,
		"access.toml", access(t, fmt.Sprintf("%x", sha256.Sum256([]byte("ed_x"))), `"consume"`)).Replace(text)
	out, _ := shell(t, t.TempDir(), line)
	prints(t, out, "configuration OK")
}

// grants reads the access file, with a whole hash and the file of keys.
func grants(t *testing.T, text string) {
	dir := t.TempDir()
	hash := func(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }
	text = strings.NewReplacer("9f86d0…", hash("a token"), "5e8848…", hash("another"), `x = "…"`, `x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`).Replace(text)
	for name, content := range map[string]string{
		"access.toml": text,
		"jwks.json":   `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := shell(t, dir, binary+" -check -access access.toml")
	prints(t, out, "configuration OK")
}

// access is a file in which a token may do what the roles say.
func access(t testing.TB, hash, roles string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "access.toml")
	text := fmt.Sprintf("[[tokens]]\nname = \"it\"\nsha256 = %q\nroles = [%s]\n", hash, roles)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func makesToken(t *testing.T, text string) {
	out, err := exec.Command("sh", "-c", text).Output()
	token, rest, _ := strings.Cut(string(out), "\n")
	hash, _, _ := strings.Cut(rest, " ")
	if err != nil || !strings.HasPrefix(token, "ed_") {
		t.Fatalf("%s = %q, %v; want a token and its hash", text, out, err)
	}
	addr := start(t, 1, "-access", access(t, hash, `"publish"`))[0]
	for credential, want := range map[string]string{token: "200", "another": "401"} {
		status, err := exec.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer "+credential, "-d", "{}", "http://"+addr+"/api/events").Output()
		if err != nil || string(status) != want {
			t.Errorf("a POST with the token %.3s… = %s, %v; want %s", credential, status, err, want)
		}
	}
}

// usesTicket opens one of the two that a page may open, with a ticket of its own each.
func usesTicket(t *testing.T, text string) {
	addr := start(t, 1, "-access", access(t, fmt.Sprintf("%x", sha256.Sum256([]byte("ed_x"))), `"publish", "consume"`))[0]
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 {
		t.Fatalf("the passage is %q; want a ticket and two uses", lines)
	}
	do := browse(t, "http://"+addr+"/livez")
	for _, use := range lines[1:] {
		do(fmt.Sprintf(`state = ""; got = ""; url = "http://%s"; token = "ed_x"; (async () => {%s
			const opened = %s
			opened.onopen = () => state = "open"; opened.onerror = () => state = "error"; opened.onmessage = e => got = e.data;
		})(); 0`, addr, lines[0], use), nil)
		var state, got string
		eventually(t, "it opens or not", func() bool { do("state", &state); return state != "" })
		if state != "open" {
			t.Fatalf("%s: %s; want open", use, state)
		}
		do(`fetch(url + "/metrics", {method: "POST", headers: {Authorization: "Bearer " + token}, body: '"hello"'}); 0`, nil)
		eventually(t, "the event arrives", func() bool { do("got", &got); return got == `"hello"` })
	}
}

// lists runs what only lists; the other lines measure for minutes.
func lists(t *testing.T, text string) {
	for _, line := range commands(text) {
		switch line {
		case "go run ./run -list", "go run ./run -h", "go run ./load -h":
			out, err := exec.Command("sh", "-c", "cd ../bench && "+line).CombinedOutput()
			if err != nil || len(out) < 200 {
				t.Errorf("%s = %v\n%s", line, err, out)
			}
		default:
			t.Logf("not played, a measurement: %s", line)
		}
	}
}
