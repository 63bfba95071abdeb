//go:build unix

package instances

import (
	"strings"
	"syscall"
	"testing"

	"event-dispatcher/internal/testkit"
)

// The console is told which carrier there is; an instance that is killed is missed,
// one that ends is not.
func TestInstancesThatAreMissed(t *testing.T) {
	overEach(t, func(t *testing.T, c carrier) {
		all := c.startAll(3)
		a := all[0]
		a.listen()
		testkit.Eventually(t, "all are heard", func() bool { return a.Metric("dispatcher_relay_origins") == 2 })
		if _, figures := a.Get("/console/stats"); !strings.Contains(figures, `"carrier":"`+c.kind+`"`) {
			t.Errorf("the console is told %.300s; want the carrier %s", figures, c.kind)
		}
		degraded := func() bool {
			_, body := a.Get("/readyz")
			return strings.Contains(body, `"degraded":["`+c.kind+`"]`)
		}
		all[1].Exits(syscall.SIGTERM)
		testkit.Eventually(t, "the one that ended is not counted", func() bool { return a.Metric("dispatcher_relay_origins") == 1 })
		if degraded() {
			t.Error("an instance that ended is missed")
		}
		all[2].Cmd.Process.Kill()
		testkit.Eventually(t, "the one that was killed is missed", degraded)
	})
}
