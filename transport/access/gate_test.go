package access

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

const (
	player   = "ed_player-0123456789012345678901234567890123456"
	tool     = "ed_tool-012345678901234567890123456789012345678"
	operator = "ed_operator-01234567890123456789012345678901234"
	old      = "ed_old-0123456789012345678901234567890123456789"
)

func usual() string {
	return fmt.Sprintf(`
[anonymous]
roles = ["publish"]

[[tokens]]
name = "player"
sha256 = %q
roles = ["publish"]
rate = 2.0

[[tokens]]
name = "tool"
sha256 = %q
roles = ["consume"]
view = "shards=0&where=tenant=a"
subject = "alice"
users = ["bob"]

[[tokens]]
name = "operator"
sha256 = %q
roles = ["operate", "consume"]

[[tokens]]
name = "old"
sha256 = %q
roles = ["consume"]
expires = 2020-01-01T00:00:00Z
`, hexHash(player), strings.ToUpper(hexHash(tool)), hexHash(operator), hexHash(old))
}

func TestCheck(t *testing.T) {
	g, _, _ := open(t, usual())
	for _, tt := range []struct {
		name string
		c    credentials
		need Right
		want Refusal
	}{
		{"nobody publishes", credentials{}, Publish, Granted},
		{"nobody consumes", credentials{}, Consume, MissingCredential},
		{"nobody operates", credentials{}, Operate, MissingCredential},
		{"nobody asks for a probe", credentials{}, None, Granted},
		{"nonsense asks for a probe", bearing("x"), None, Granted},
		{"player publishes", bearing(player), Publish, Granted},
		{"player consumes", bearing(player), Consume, MissingRole},
		{"tool consumes", bearing(tool), Consume, Granted},
		{"tool publishes though nobody may", bearing(tool), Publish, MissingRole},
		{"operator operates", bearing(operator), Operate, Granted},
		{"old consumes", bearing(old), Consume, ExpiredCredential},
		{"unknown", bearing("ed_" + strings.Repeat("x", 43)), Publish, BadCredential},
		{"cut", bearing(tool[:len(tool)-1]), Consume, BadCredential},
		{"longer", bearing(tool + "A"), Consume, BadCredential},
		{"doubled", bearing(tool + tool), Consume, BadCredential},
		{"twice in a header", credentials{authorization: []string{"Bearer " + tool + ", Bearer " + tool}}, Consume, BadCredential},
		{"two headers", credentials{authorization: []string{"Bearer " + tool, "Bearer " + tool}}, Consume, BadCredential},
		{"blank inside", bearing(tool[:9] + " " + tool[9:]), Consume, BadCredential},
		{"more blanks before", bearing("   " + tool), Consume, Granted},
		{"scheme in lower case", credentials{authorization: []string{"bearer " + tool}}, Consume, Granted},
		{"no scheme", credentials{authorization: []string{tool}}, Consume, BadCredential},
		{"another scheme", credentials{authorization: []string{"Basic " + tool}}, Consume, BadCredential},
		{"only the scheme", credentials{authorization: []string{"Bearer"}}, Consume, BadCredential},
		{"empty", credentials{authorization: []string{""}}, Consume, BadCredential},
		{"quoted", bearing(`"` + tool + `"`), Consume, BadCredential},
		{"the hash itself", bearing(hexHash(tool)), Consume, BadCredential},
		{"1 MB", bearing(strings.Repeat("x", 1<<20)), Consume, BadCredential},
		{"NUL", bearing(tool + "\x00"), Consume, BadCredential},
		{"long-lived in the query", credentials{query: "token=" + tool}, Consume, BadTicket},
		{"empty in the query", credentials{query: "token="}, Consume, BadTicket},
		{"header and query", credentials{authorization: []string{"Bearer " + tool}, query: "token=" + tool}, Consume, BadCredential},
		{"long-lived as a subprotocol", credentials{protocols: "dispatcher, bearer." + tool}, Consume, BadTicket},
		{"another parameter that ends in token", credentials{authorization: []string{"Bearer " + tool}, query: "mytoken=1"}, Consume, Granted},
		{"bad credentials where nobody may, too", bearing("nonsense"), Publish, BadCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if grant, got := g.ask(tt.c, tt.need); got != tt.want || (got == Granted) != (grant != nil) {
				t.Errorf("Check(%v, %v) = %v, %q; want %q", tt.c, tt.need, grant, got, tt.want)
			}
		})
	}
}

func TestANilGateLetsEverybody(t *testing.T) {
	var g *Gate
	for _, need := range []Right{None, Publish, Consume, Operate} {
		if grant, r := g.ask(bearing("nonsense"), need); r != Granted || !grant.Rights.Has(Publish) || !grant.SpeaksFor("anybody") {
			t.Errorf("Check(%v) = %+v, %q", need, grant, r)
		}
	}
	w, ok := g.Watch(everybody)
	if !ok {
		t.Error("Watch() = false")
	}
	w.Stop()
	g.Close()
	if err := g.Reload(); err != nil || g.Stats() != (Stats{}) {
		t.Error(err, g.Stats())
	}
}

func TestGrantCarriesWhatTheFileSays(t *testing.T) {
	g, _, _ := open(t, usual())
	tools, _ := g.ask(bearing(tool), Consume)
	if len(tools.Views) != 1 || tools.Views[0] != "shards=0&where=tenant=a" {
		t.Errorf("Views = %q", tools.Views)
	}
	for user, want := range map[string]bool{"alice": true, "bob": true, "carol": false, "": false} {
		if got := tools.SpeaksFor(user); got != want {
			t.Errorf("SpeaksFor(%q) = %v", user, got)
		}
	}
	if operators, _ := g.ask(bearing(operator), Operate); operators.SpeaksFor("") || operators.Limit() != nil {
		t.Error("the operator speaks for nobody's user, at any rate")
	}
	players, _ := g.ask(bearing(player), Publish)
	if l := players.Limit(); l == nil || l.Rate() != 2 || l.Burst() != 2 {
		t.Error("the player's rate is not 2 per second")
	}
}

func TestAMemoIsNoMoreThanItsCredentials(t *testing.T) {
	g, path, _ := open(t, usual())
	var memo Memo
	for range 2 { // the second time from the memo
		if _, r := g.Check(request(bearing(tool)), &memo, Consume); r != Granted {
			t.Fatal(r)
		}
	}
	if _, r := g.Check(request(bearing(tool)), &memo, Publish); r != MissingRole {
		t.Error("another right:", r)
	}
	if _, r := g.Check(request(bearing(tool+"x")), &memo, Consume); r != BadCredential {
		t.Error("another token:", r)
	}
	if _, r := g.Check(request(credentials{}), &memo, Consume); r != MissingCredential {
		t.Error("no token:", r)
	}
	write(t, path, "[anonymous]\nroles = []\n")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, r := g.Check(request(bearing(tool)), &memo, Consume); r != BadCredential {
		t.Error("a revoked token on a connection that is open:", r)
	}
}

func TestAMemoSeesTheExpiry(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	g, _, _ := open(t, fmt.Sprintf("[[tokens]]\nname='t'\nsha256=%q\nroles=['consume']\nexpires=%s\n", hexHash(tool), soon.Format(time.RFC3339)))
	var memo Memo
	s := g.reign.now.Load()
	if _, r := s.whose(nil, []byte("Bearer "+tool), &memo, soon.Add(-2*time.Second), nil); r != Granted {
		t.Fatal(r)
	}
	if _, r := s.whose(nil, []byte("Bearer "+tool), &memo, soon, nil); r != ExpiredCredential {
		t.Error(r)
	}
}

func TestSameSecret(t *testing.T) {
	secret := []byte("Bearer " + tool)
	for length := range len(secret) + 1 {
		a := secret[:length]
		if !sameSecret(a, []byte(string(a))) {
			t.Errorf("a secret of %d bytes is not the same as itself", length)
		}
		for i := range a { // each byte counts
			b := []byte(string(a))
			b[i] ^= 1
			if sameSecret(a, b) {
				t.Errorf("secrets of %d bytes are the same that differ in byte %d", length, i)
			}
		}
		if length > 0 && (sameSecret(a, a[:length-1]) || sameSecret(a[:length-1], a)) {
			t.Errorf("a secret of %d bytes is the same as its beginning", length)
		}
	}
}

func TestBadFiles(t *testing.T) {
	h := hexHash(tool)
	for _, tt := range []struct{ name, file, text, want string }{
		{"empty TOML", "a.toml", "", ""},
		{"empty JSON", "a.json", "", "EOF"},
		{"good JSON", "a.json", `{"tokens":[{"name":"t","sha256":"` + h + `","roles":["consume"],"expires":"2030-01-01T00:00:00Z"}]}`, ""},
		{"half of JSON", "a.json", `{"tokens":[{"name":"t"`, "unexpected EOF"},
		{"two JSON values", "a.json", `{}{}`, "after the end"},
		{"unknown JSON key", "a.json", `{"token":[]}`, `unknown field "token"`},
		{"unknown JSON key inside", "a.json", `{"tokens":[{"name":"t","sha256":"` + h + `","roles":["consume"],"role":"x"}]}`, `unknown field "role"`},
		{"half of TOML", "a.toml", "[[tokens]]\nname = \"t", "line 2"},
		{"unknown TOML key", "a.toml", "[[tokens]]\nname='t'\nsha='" + h + "'\nroles=['consume']", `unknown key "tokens.sha"`},
		{"same token twice", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['consume']\n[[tokens]]\nname='b'\nsha256='" + strings.ToUpper(h) + "'\nroles=['publish']", "a and b are the same token"},
		{"same name twice", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['consume']\n[[tokens]]\nname='a'\nsha256='" + hexHash("x") + "'\nroles=['publish']", "twice"},
		{"no name", "a.toml", "[[tokens]]\nsha256='" + h + "'\nroles=['consume']", "name"},
		{"no hash", "a.toml", "[[tokens]]\nname='a'\nroles=['consume']", "64 hexadecimal"},
		{"a token instead of its hash", "a.toml", "[[tokens]]\nname='a'\nsha256='" + tool + "'\nroles=['consume']", "64 hexadecimal"},
		{"no roles", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'", "roles are missing"},
		{"another role", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['admin']", "publish, consume, operate"},
		{"another role of anonymous", "a.toml", "[anonymous]\nroles=['all']", "publish, consume, operate"},
		{"negative rate", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['consume']\nrate=-1.0", "negative"},
		{"no number as rate", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['consume']\nrate=nan", "negative"},
		{"bad view", "a.toml", "[[tokens]]\nname='a'\nsha256='" + h + "'\nroles=['consume']\nview='bad'", "no such view"},
		{"no audience", "a.toml", "[[issuers]]\nname='i'\nissuer='x'\nroles=['consume']\n[[issuers.keys]]\nkty='oct'\nk='AAAA'", "audience"},
		{"no keys", "a.toml", "[[issuers]]\nname='i'\nissuer='x'\naudience='y'\nroles=['consume']", "keys or jwks"},
		{"short secret", "a.toml", "[[issuers]]\nname='i'\nissuer='x'\naudience='y'\nroles=['consume']\n[[issuers.keys]]\nkty='oct'\nk='AAAA'", "guessed"},
		{"jwks is not there", "a.toml", "[[issuers]]\nname='i'\nissuer='x'\naudience='y'\nroles=['consume']\njwks='none.json'", "none.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(fileWith(t, tt.file, tt.text), func(view string) error {
				if view == "bad" {
					return fmt.Errorf("no such view")
				}
				return nil
			}, &files{})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("load() = %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("load() = %v; want something with %q", err, tt.want)
			}
		})
	}
	if _, err := load(t.TempDir(), nil, &files{}); err == nil {
		t.Error("a folder was taken for a file")
	}
}

func TestABadFileDoesNotReplaceAGoodOne(t *testing.T) {
	g, path, logs := open(t, usual())
	write(t, path, usual()+"\nnonsense")
	if g.Reload() == nil {
		t.Fatal("Reload() = nil")
	}
	if err := os.Remove(path); err != nil || g.Reload() == nil {
		t.Fatal(err, "a file that is gone was taken")
	}
	if _, r := g.ask(bearing(tool), Consume); r != Granted {
		t.Error(r)
	}
	if n := logs.FilterMessageSnippet("cannot load").Len(); n != 2 || g.Stats().Failures != 2 {
		t.Errorf("%d lines in the log, %d failures counted; want 2 each", n, g.Stats().Failures)
	}
}

func TestAChangedFileIsReadWithoutASignal(t *testing.T) {
	g, path, _ := open(t, "")
	write(t, path, usual())
	testkit.Eventually(t, "the new file is in force", func() bool {
		_, r := g.ask(bearing(tool), Consume)
		return r == Granted
	})
}

func TestAFileThatIsBeingWrittenIsLeftAlone(t *testing.T) {
	path := fileWith(t, "a", "one")
	var f files
	f.add(path)
	if f.changed() {
		t.Error("changed() = true though nothing has")
	}
	for i, text := range []string{"one t", "one two"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if f.changed() {
			t.Errorf("changed() = true at write %d", i)
		}
	}
	if !f.changed() {
		t.Error("changed() = false after the last write")
	}
}

func TestStreamsEndWithTheirGrant(t *testing.T) {
	g, path, _ := open(t, usual())
	ends := map[string]*atomic.Uint32{}
	for name, token := range map[string]string{"tool": tool, "operator": operator} {
		grant, r := g.ask(bearing(token), Consume)
		if r != Granted {
			t.Fatal(name, r)
		}
		end := &atomic.Uint32{}
		ends[name] = end
		for range 3 {
			if _, ok := g.watch(grant, func(why Ending) { end.Add(uint32(why)) }); !ok {
				t.Fatal(name, "Watch() = false")
			}
		}
	}
	stopped, _ := g.ask(bearing(tool), Consume)
	w, _ := g.watch(stopped, func(Ending) { t.Error("a watch that was stopped was told") })
	w.Stop()
	w.Stop()

	// A role more, a rate, another place in the file: nobody is ended.
	write(t, path, strings.Replace(usual(), `roles = ["consume"]`, `roles = ["publish", "consume"]`+"\nrate = 1.0", 1))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if a, b := ends["tool"].Load(), ends["operator"].Load(); a != 0 || b != 0 || g.Stats().Streams != 6 {
		t.Fatalf("ended %d and %d of streams whose grant is as good as before; %d are watched", a, b, g.Stats().Streams)
	}
	write(t, path, strings.Replace(usual(), "tenant=a", "tenant=b", 1))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if a, b := ends["tool"].Load(), ends["operator"].Load(); a != 3*uint32(Revoked) || b != 0 {
		t.Errorf("ended %d and %d; want %d and 0", a, b, 3*Revoked)
	}
	// A client that was let in before the reload, and comes to watch after it.
	if _, ok := g.Watch(stopped); ok {
		t.Error("Watch() = true for a grant that is no more")
	}
	write(t, path, "")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if b := ends["operator"].Load(); b != 3*uint32(Revoked) || g.Stats().Streams != 0 || g.Stats().Revoked != 6 {
		t.Errorf("ended %d; %+v", b, g.Stats())
	}
}

func TestStreamsEndWhenTheirTokenExpires(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	entry := func(name, token string, expires time.Time) string {
		return fmt.Sprintf("[[tokens]]\nname=%q\nsha256=%q\nroles=['consume']\nexpires=%s\n", name, hexHash(token), expires.Format(time.RFC3339))
	}
	g, path, _ := open(t, entry("a", tool, soon)+entry("b", operator, soon.Add(time.Minute))+entry("c", player, soon.Add(time.Hour)))
	var told []string
	for name, token := range map[string]string{"a": tool, "b": operator, "c": player} {
		grant, _ := g.ask(bearing(token), Consume)
		if _, ok := g.watch(grant, func(why Ending) { told = append(told, name+" "+why.String()) }); !ok {
			t.Fatal("Watch() = false")
		}
	}
	// A reload may put the end off.
	write(t, path, entry("a", tool, soon)+entry("b", operator, soon.Add(time.Minute))+entry("c", player, soon.Add(2*time.Hour)))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at   time.Time
		want string
	}{
		{soon.Add(-time.Second), ""},
		{soon, "a expired"},
		{soon.Add(time.Hour), "a expired, b expired"},
		{soon.Add(2 * time.Hour), "a expired, b expired, c expired"},
	} {
		g.expire(step.at)
		if got := strings.Join(told, ", "); got != step.want {
			t.Errorf("at %v told %q; want %q", step.at, got, step.want)
		}
	}
	if len(g.reign.expiry) != 0 || len(g.reign.lives) != 0 {
		t.Errorf("%d lives are left, %d in the order of expiry", len(g.reign.lives), len(g.reign.expiry))
	}
}

func TestAnEndBeforeAStreamIsServedIsToldThen(t *testing.T) {
	g, path, _ := open(t, usual())
	grant, _ := g.ask(bearing(tool), Consume)
	w, ok := g.Watch(grant)
	if !ok {
		t.Fatal("Watch() = false")
	}
	write(t, path, "")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	var told []string
	Ends(w, "expired", "revoked")(func(why string) { told = append(told, why) })
	if got := strings.Join(told, ", "); got != "revoked" {
		t.Errorf("told %q; want revoked, once", got)
	}
}

func TestWatchesComeAndGoWhileTheFileChanges(t *testing.T) {
	g, path, _ := open(t, usual())
	var told, refused atomic.Int64
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 300 {
				grant, r := g.ask(bearing(tool), Consume)
				if r != Granted {
					continue
				}
				var once atomic.Int32
				w, ok := g.watch(grant, func(Ending) {
					told.Add(1)
					if once.Add(1) > 1 {
						t.Error("told twice")
					}
				})
				if !ok {
					refused.Add(1)
				}
				w.Stop()
			}
		})
	}
	for i := range 20 {
		text := usual()
		if i%2 == 0 {
			text = ""
		}
		write(t, path, text)
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	work.Wait()
	if st := g.Stats(); st.Streams != 0 || st.Revoked != uint64(told.Load()) {
		t.Errorf("%+v; %d were told", st, told.Load())
	}
}

func TestNewTokensAreTaken(t *testing.T) {
	token, hash := NewToken()
	g, _, _ := open(t, fmt.Sprintf("[[tokens]]\nname='new'\nsha256=%q\nroles=['consume']\n", hash))
	if _, r := g.ask(bearing(token), Consume); r != Granted {
		t.Error(r)
	}
	if again, _ := NewToken(); again == token {
		t.Error("the same token twice")
	}
}

func TestNothingSecretIsSaid(t *testing.T) {
	g, path, logs := open(t, usual())
	g.ask(bearing(tool), Consume)
	write(t, path, usual()+"\n[[issuers]]\nk = \""+operator)
	_ = g.Reload()
	for _, line := range logs.All() {
		text := fmt.Sprint(line.Message, line.ContextMap())
		if strings.Contains(text, tool) || strings.Contains(text, operator) {
			t.Errorf("the log says %s", text)
		}
	}
	for r := MissingCredential; r <= TooManyTickets; r++ {
		if r.String() == "" || r.Reason().Text() == "" || (r.Reason().Status() == 429) != (r.Challenge(Consume) == "") {
			t.Errorf("refusal %d: %q, challenge %q", r, r, r.Challenge(Consume))
		}
	}
}
