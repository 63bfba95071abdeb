package nearest

import (
	"strings"
	"testing"
)

func TestNameIsTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	names := []string{"/events", "/events/view", "/api/events", "port", "access", "where"}
	for typed, want := range map[string]string{
		"/event": "/events", "/Events": "/events", "/events/": "/events", "/api/event": "/api/events", "/apievents": "/api/events",
		"prot": "port", "were": "where", "acess": "access",
		"": "", "p": "", "pt": "", "/nowhere": "", "path": "", "where": "where",
		"port" + strings.Repeat("x", 1<<20): "",
	} {
		if got := Name(typed, names); got != want {
			t.Errorf("Name(%.20q) = %q; want %q", typed, got, want)
		}
	}
}

// Names come from maps, in any order.
func TestOfTwoThatAreAsNearTheFirstIsMeant(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"wire", "where"}, {"where", "wire"}} {
		if got := Name("were", names); got != "where" {
			t.Errorf("Name(were, %q) = %q; want where", names, got)
		}
	}
}

func TestOneOffIsWrongInOneLetter(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"PROT": "PORT", "PORTS": "PORT", "PATH": "", "POTRS": "", "PORT": "PORT"} {
		if got := OneOff(typed, []string{"PORT"}); got != want {
			t.Errorf("OneOff(%q) = %q; want %q", typed, got, want)
		}
	}
}

// Every 404 looks for a name, and anybody can have as many as he likes.
func TestNamesAreFoundWithoutMemory(t *testing.T) {
	names := []string{strings.Repeat("n", longest), strings.Repeat("n", longest+2), "/event-dispatcher"}
	for _, typed := range []string{strings.Repeat("n", longest), "/event-dispatchers", strings.Repeat("x", longest)} {
		if n := testing.AllocsPerRun(10, func() { Name(typed, names) }); n != 0 {
			t.Errorf("Name(%q) allocates %v times; want never", typed, n)
		}
	}
}
