//go:build linux

package proxies

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// A fleet is two instances behind a proxy, with the configuration that the documentation
// shows, at addresses that they keep.
type fleet struct {
	t         testing.TB
	args      []string
	addrs     [2]string
	instances [2]*service
	proxy     *proxy
}

func newFleet(t *testing.T, k kind, changes [][2]string, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, args: append([]string{"-trusted-proxies", "127.0.0.1", "-redis", redistest.Start(t).URL()}, args...)}
	for i := range f.instances {
		f.addrs[i] = freeAddr(t)
		f.start(i)
	}
	server := k.server
	one := strings.Replace(server, "127.0.0.1:3569", f.addrs[0], 1)
	two := strings.Replace(strings.Replace(server, "127.0.0.1:3569", f.addrs[1], 1), " one ", " two ", 1)
	f.proxy = k.in(t, f.instances[0], append([][2]string{{one, one + "\n" + two}}, changes...)...)
	return f
}

// start runs an instance, and waits until it is ready and hears the other.
func (f *fleet) start(i int) {
	f.t.Helper()
	p := program.Start(f.t, append([]string{"-port", f.addrs[i]}, f.args...)...)
	f.instances[i] = &service{p, f.t, f.addrs[i]}
	testkit.Eventually(f.t, "the instance is ready", func() bool {
		status, body := p.Get("/readyz")
		return status == 200 && !strings.Contains(body, "degraded")
	})
}

// roll restarts both, one after the other, as deployments do: the next one when the one
// before has got streams and events again.
func (f *fleet) roll() {
	f.t.Helper()
	for i := range f.instances {
		if code := f.instances[i].Exits(syscall.SIGTERM); code != 0 {
			f.t.Errorf("instance %d ends with %d; want 0", i, code)
		}
		f.start(i)
		testkit.Eventually(f.t, "the proxy knows that the instance is back", func() bool { return f.instances[i].received() > 10 })
		time.Sleep(testkit.Sized(5*time.Second, 500*time.Millisecond))
	}
}

// quickly has haproxy look more often, so that a lead can be short.
func quickly(k kind) [][2]string {
	if k.name == "haproxy" && !testkit.Full() {
		// A check that takes longer than its interval would otherwise fail.
		return [][2]string{{"default-server inter 1s fall 2 rise 1", "timeout check 75s\n    default-server inter 100ms fall 2 rise 1"}}
	}
	return nil
}

// A rolling restart under load costs players nothing; pages are without a stream for
// about as long as "retry:" says.
func TestRollingRestartIsShort(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			lead := testkit.Sized("6s", "3s")
			f := newFleet(t, k, quickly(k), "-drain-lead", lead, "-drain-window", testkit.Sized("5s", "1s"), "-drain-timeout", "60s")
			c, ctx := newCrowd(t)
			url := "http://" + f.proxy.addr + "/events"
			n := testkit.Sized(100, 10)
			var plain, resuming []*page
			for range n {
				plain = append(plain, c.add(url, func(p *page) { p.events(ctx) }))
				resuming = append(resuming, c.add(url, func(p *page) { p.resume = true; p.events(ctx) }))
			}
			c.play(f.proxy.addr, 20, testkit.Sized(1000, 200))
			testkit.Eventually(t, "events flow", func() bool { return c.all(func(p *page) bool { return p.newestOf0() > 5 }) })
			f.roll()
			c.settle()
			c.wantPlayersServed()
			for _, group := range []struct {
				name  string
				pages []*page
			}{{"plain", plain}, {"resuming", resuming}} {
				missing, without := spread(group.pages)
				testkit.Measured(t, "%s, %d %s consumers, %d events: each without p50 %d, at most %d of them (%.1f %%); longest time without a stream p50 %.1f s, at most %.1f s",
					k.name, n, group.name, c.published(), missing[len(missing)/2], missing[len(missing)-1],
					100*float64(missing[len(missing)-1])/float64(c.published()), without[len(without)/2].Seconds(), without[len(without)-1].Seconds())
			}
			testkit.Measured(t, "%s: of %d POSTs 0 without an answer, 0 refused", k.name, c.published())
		})
	}
}

// The known consumer comes back only after silence: with -drain-silence it is streaming
// again after a rolling restart.
func TestRollingRestartKeepsTheSilentConsumer(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			patience := testkit.Sized(12*time.Second, 2*time.Second)
			f := newFleet(t, k, quickly(k), "-drain-lead", testkit.Sized("6s", "3s"), "-drain-silence", testkit.Sized("13s", "3s"),
				"-keep-alive", testkit.Sized("10s", "500ms"), "-drain-window", testkit.Sized("5s", "1s"), "-drain-timeout", "60s")
			c, ctx := newCrowd(t)
			n := testkit.Sized(50, 10)
			for range n {
				c.add("http://"+f.proxy.addr+"/events", func(p *page) { p.silent(ctx, patience) })
			}
			c.play(f.proxy.addr, 20, testkit.Sized(1000, 200))
			testkit.Eventually(t, "events flow", func() bool { return c.all(func(p *page) bool { return p.newestOf0() > 5 }) })
			f.roll()
			c.settle()
			c.wantPlayersServed()
			_, without := spread(c.pages)
			testkit.Measured(t, "%s, %d consumers that come back after %v of silence only: %d streaming after both restarts, without a stream for %.1f s at most; of %d POSTs 0 without an answer, 0 refused",
				k.name, n, patience, n, without[len(without)-1].Seconds(), c.published())
		})
	}
}

// An instance is killed and away for a while: every page gets events again.
func TestPagesSurviveAnAbsence(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			addr := freeAddr(t)
			run := func() *service {
				return &service{program.Start(t, "-port", addr, "-trusted-proxies", "127.0.0.1"), t, addr}
			}
			s := run()
			proxy := k.in(t, s, quickly(k)...)
			c, ctx := newCrowd(t)
			const n = 16
			for range n {
				c.add("http://"+proxy.addr+"/events", func(p *page) { p.events(ctx) })
			}
			client := client(t)
			testkit.Eventually(t, "all have their stream", func() bool { return s.Sum("dispatcher_consumers", "sse") == n })
			s.Exits(syscall.SIGKILL)
			time.Sleep(6 * time.Second) // longer than pages wait: they find nobody
			s = run()
			testkit.Eventually(t, "all have their stream again, or come back no more", func() bool {
				return c.all(func(p *page) bool { return p.streamsOpened() == 2 || p.why() != "" })
			})
			for i, p := range c.pages {
				if why := p.why(); why != "" {
					t.Errorf("page %d comes back no more: %s", i, why)
				}
			}
			proxy.post(client, "/metrics", `{"player":0,"n":1}`)
			testkit.Eventually(t, "all get an event", func() bool { return c.all(func(p *page) bool { return p.has(0, 1) }) })
			testkit.Measured(t, "%s: %d of %d pages survive kill -9 and 6 s of absence", k.name, n, n)
		})
	}
}

// What one player posts, one event after the other's answer, comes in order from one
// instance. Two instances have an order each, unless the balancer sends a player to one.
func TestOrderThroughABalancer(t *testing.T) {
	k := kinds[1]
	for _, tt := range []struct {
		name    string
		changes [][2]string
		ordered bool
	}{
		{"each request to the next instance", nil, false},
		{"each player to one instance", [][2]string{{"    option httpchk", "    balance source\n    option httpchk"}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t, k, tt.changes)
			cl := client(t)
			streams := []*stream{listen(t, cl, f.addrs[0]), listen(t, cl, f.addrs[1])}
			for _, s := range f.instances {
				testkit.Eventually(t, "the instances hear each other", func() bool {
					return s.Metric(`dispatcher_relay_subscribed_channels{events="firehose"}`) > 0
				})
			}
			events := testkit.Sized(20_000, 500)
			c, _ := newCrowd(t)
			c.play(f.proxy.addr, 1, testkit.Sized(2000, 500))
			testkit.Eventually(t, "all is published", func() bool { return c.published() >= int64(events) })
			c.stop()
			late := 0
			for _, s := range streams {
				var newest int64
				seen := &page{seen: map[int]map[int64]int{}}
				for range c.published() {
					text := s.event()
					seen.event([]byte(text))
					for n := range seen.seen[0] { // the one that came
						if n < newest {
							late++
						}
						newest = max(newest, n)
					}
					clear(seen.seen)
				}
			}
			if tt.ordered && late != 0 {
				t.Errorf("%d of %d events came after later ones of their player; want none", late, c.published())
			}
			testkit.Measured(t, "%s: %d of 2 × %d events came after later ones of their player", tt.name, late, c.published())
		})
	}
}

func (p *page) streamsOpened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.streams
}

func (c *crowd) all(is func(p *page) bool) bool {
	return !slices.ContainsFunc(c.pages, func(p *page) bool { return !is(p) })
}

// settle waits until every page that still lives gets the present events, ends the load,
// and holds all pages to live.
func (c *crowd) settle() {
	c.t.Helper()
	now := c.sent[0].Load()
	testkit.Eventually(c.t, "all pages get what is published now", func() bool {
		return c.all(func(p *page) bool { return p.why() != "" || p.newestOf0() > now })
	})
	c.stop()
	for i, p := range c.pages {
		if why := p.why(); why != "" {
			c.t.Errorf("page %d comes back no more: %s", i, why)
		}
	}
}

func (c *crowd) wantPlayersServed() {
	c.t.Helper()
	if c.silent.Load() != 0 || c.refused.Load() != 0 {
		c.t.Errorf("of %d POSTs %d had no answer, %d were refused; want none", c.published(), c.silent.Load(), c.refused.Load())
	}
}

// spread has what pages lack, and how long they had no stream, in order.
func spread(pages []*page) (missing []int64, without []time.Duration) {
	for _, p := range pages {
		m, _, w := p.books()
		missing, without = append(missing, m), append(without, w)
	}
	slices.Sort(missing)
	slices.Sort(without)
	return missing, without
}
