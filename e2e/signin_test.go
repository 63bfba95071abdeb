//go:build unix

package e2e

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

// With access on the console asks for a token; its streams show tickets, and the token
// is in no address.
func TestConsoleSignsIn(t *testing.T) {
	hash := func(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }
	file := access(t, hash("ed_operator"), `"publish", "consume", "operate"`)
	text := contents(t, file) + fmt.Sprintf("[[tokens]]\nname = \"reader\"\nsha256 = %q\nroles = [\"consume\"]\n", hash("ed_reader"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := start(t, 1, "-access", file)[0]
	b := visit(t, "http://"+addr+"/", 1280, 860)
	b.until("it asks who one is", `!document.getElementById("login").hidden && document.getElementById("state").textContent === "signed out"`)
	b.accessible("signed out")
	signIn := func(token string) {
		eval[any](b, fmt.Sprintf(`document.getElementById("token").value = %q; document.getElementById("login").requestSubmit()`, token))
	}
	signIn("ed_reader")
	b.until("a token without the role is refused", `document.getElementById("login-error").textContent.includes("operate")`)
	signIn("ed_operator")
	b.until("it lets one in", `document.getElementById("login").hidden && document.getElementById("state").textContent === "ready"`)
	b.until("its stream is open", `document.getElementById("tail-state").textContent === "all events"`)
	req, err := http.NewRequest("POST", "http://"+addr+"/api/events", strings.NewReader(`{"n":"for those who may"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer ed_operator")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("POST = %v, %v; want 200", resp, err)
	}
	resp.Body.Close()
	b.until("the event is shown", shown+`.some(t => t.includes("for those who may"))`)
	eval[any](b, `document.getElementById("send").requestSubmit()`)
	b.until("the test event went out", `document.getElementById("send-state").textContent.startsWith("200")`)

	b.mu.Lock()
	asked := strings.Join(b.asked, "\n")
	b.mu.Unlock()
	if strings.Contains(asked, "ed_operator") || !strings.Contains(asked, "/tickets") || !strings.Contains(asked, "token=") {
		t.Errorf("the page asked for\n%s\nwant tickets, and the token nowhere", asked)
	}
	if got := eval[string](b, `document.getElementById("token").value + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie`); strings.Contains(got, "ed_operator") {
		t.Errorf("the page keeps the token: %s", got)
	}
	b.fine(addr)
}
