package session

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNewIDIsAVersion4UUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := NewID(), NewID()
	if !form.MatchString(a) || a == b {
		t.Errorf("NewID() = %q, %q", a, b)
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"whole", `{"eventId":"1","sourceId":"u","targetId":"c","data":"d","eventAction":"VIEWING_CARD","type":"USER_SESSION_EVENT","more":[1]}`, nil},
		{"null data", `{"eventId":"1","sourceId":"u","targetId":"c","data":null,"eventAction":"USER_LOGOUT","type":"USER_SESSION_EVENT"}`, nil},
		{"not JSON", `hello`, ErrNotJSON},
		{"array", `[]`, ErrNotJSON},
		{"null", `null`, ErrField},
		{"number as id", `{"eventId":1}`, ErrNotJSON},
		{"no id", `{}`, ErrField},
		{"no user", `{"eventId":"1"}`, ErrField},
		{"unknown action", `{"eventId":"1","sourceId":"u","eventAction":"DANCE","type":"USER_SESSION_EVENT"}`, ErrField},
		{"unknown type", `{"eventId":"1","sourceId":"u","eventAction":"VIEWING_CARD","type":"X"}`, ErrField},
		{"not UTF-8", "{\"eventId\":\"\xff\"}", ErrNotUTF8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Decode([]byte(tt.text)); !errors.Is(err, tt.want) {
				t.Errorf("Decode = %v; want %v", err, tt.want)
			}
		})
	}
}

// FuzzNames: every member has a name of its own that leads back to it, and no
// key of one is a key of another.
func FuzzNames(f *testing.F) {
	f.Add("p", "a", "p", "b")
	f.Add("myPracticeId", "a/b", "a", "b")
	f.Add("", "a:UPDATING_CARD", "", "a")
	f.Add("a%2Fb", "c", "a/b", "c")
	f.Fuzz(func(t *testing.T, p1, u1, p2, u2 string) {
		for _, s := range []string{p1, u1, p2, u2} {
			if !utf8.ValidString(s) {
				return
			}
		}
		if !ValidName(u1) || !ValidName(u2) {
			return
		}
		p := NewPractices("")
		k := keys{"", p.folded}
		a, b := p.member(p1, u1), p.member(p2, u2)
		if got, ok := k.parse(k.name(a)); !ok || got != a {
			t.Errorf("parse(name(%q)) = %q, %v", a, got, ok)
		}
		all := func(m member) []string {
			return []string{k.event(m, Viewing), k.event(m, Updating), k.sockets(m)}
		}
		seen := map[string]bool{k.users(): true, k.practices(u1): true}
		for _, name := range all(a) {
			if seen[name] {
				t.Errorf("two keys %q", name)
			}
			seen[name] = true
		}
		if a == b {
			return
		}
		for _, name := range all(b) {
			if seen[name] {
				t.Errorf("%q and %q share the key %q", a, b, name)
			}
		}
	})
}

// An event counts for what its JSON takes, which is what Redis keeps of it.
func TestEventIsAsLargeAsItsJSON(t *testing.T) {
	empty := len(Event{Type: UserSession, Action: Updating}.JSON())
	for _, text := range []string{
		"", "plain text", `"quoted"\`, "\b\f\n\r\t", "\x00\x01\x1f\x7f", "é ⌘ 🎬", "\u2028\u2029\u2027\u202a", "<&>/", "\ufffd",
	} {
		e := Event{Type: UserSession, Action: Updating, Data: text, Target: text}
		if got, want := e.size()-entryOverhead, len(e.JSON())-empty; got != want {
			t.Errorf("%q counts for %d bytes twice; want %d", text, got, want)
		}
	}
}

// Another instance's name is bounded, like all others: what is known of instances is kept by it.
func TestNamesFromOutsideAreBounded(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	e := Event{ID: "1", Source: "alice", Action: Updating, Type: UserSession}
	for name, change := range map[string]func(*Event){
		"eventId":    func(e *Event) { e.ID = long },
		"sourceId":   func(e *Event) { e.Source = long },
		"targetId":   func(e *Event) { e.Target = long },
		"practiceId": func(e *Event) { e.Practice = long },
		"targetUser": func(e *Event) { e.TargetUser = long },
		"origin":     func(e *Event) { e.Origin = long },
	} {
		bad := e
		change(&bad)
		if _, err := Decode(bad.JSON()); !errors.Is(err, ErrField) || !strings.Contains(err.Error(), name) {
			t.Errorf("Decode() of %d bytes in %s = %v; want %v", len(long), name, err, ErrField)
		}
	}
}
