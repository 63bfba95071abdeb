package process

import (
	"net"
	"strings"
	"testing"
)

func TestWelcomeSaysWhereToGo(t *testing.T) {
	t.Parallel()
	any4, loop := &net.TCPAddr{IP: net.IPv6unspecified, Port: 3569}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9090}
	for _, tt := range []struct {
		w    Welcome
		want []string
	}{
		{Welcome{Public: any4}, []string{"look     http://localhost:3569/\n", "curl http://localhost:3569/api/events -d", "curl -N http://localhost:3569/events\n"}},
		{Welcome{Public: any4, Admin: loop, TLS: true}, []string{"look     http://127.0.0.1:9090/\n", "curl -N https://localhost:3569/events\n"}},
	} {
		for _, want := range tt.want {
			if got := tt.w.String(); !strings.Contains(got, want) {
				t.Errorf("Welcome = %q; want %q in it", got, want)
			}
		}
	}
	if got := (Welcome{Public: any4, ConsoleOff: true}).String(); strings.Contains(got, "look") {
		t.Errorf("Welcome without a console = %q; want none named", got)
	}
}
