package config

import (
	"fmt"
	"time"
)

// drain declares the flags of the shutdown.
func (c *Config) drain(t *table) {
	d := &c.Drain
	t.group("Shutdown")
	t.duration(&d.Timeout, "drain-timeout", 25*time.Second, 0, long, "longest shutdown; less than what the orchestrator gives before it kills, which is often 30s")
	t.duration(&d.Lead, "drain-lead", 0, 0, long, "time between not being ready and the shutdown, for balancers to look elsewhere; everything is served meanwhile")
	t.duration(&d.Window, "drain-window", 5*time.Second, 0, long, "time over which the ends of streams are spread at shutdown")
	t.duration(&d.Silence, "drain-silence", 0, 0, long, "silence before streams end at shutdown, for consumers that reconnect only after silence")

	t.then(func() error {
		if least := d.Lead + d.Silence + d.Window; d.Timeout < least {
			return fmt.Errorf("-drain-timeout: %v is less than -drain-lead, -drain-silence and -drain-window together (%v)", d.Timeout, least)
		}
		return nil
	})
}
