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
