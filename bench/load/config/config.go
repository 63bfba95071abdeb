// Package config reads and checks the generator's flags.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"event-dispatcher/bench/load/consumer"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/sock"
)

// Config is what to do, checked.
type Config struct {
	URL     string      `json:"url"`
	Targets []sock.Addr `json:"-"`
	Post    string      `json:"post"`
	Stream  string      `json:"stream"`
	PIDs    PIDs        `json:"pids,omitempty"`

	Query   string `json:"query,omitempty"`
	Opaque  bool   `json:"opaque,omitempty"`
	Foreign bool   `json:"foreign,omitempty"`
	// What a foreign server wants around an event, and puts around it.
	PostEnvelope   event.Envelope `json:"post_envelope,omitzero"`
	StreamEnvelope event.Envelope `json:"stream_envelope,omitzero"`

	Wire string `json:"wire,omitempty"`
	// Listen is where consumers are, when it is not URL: other instances.
	Listen        string      `json:"listen,omitempty"`
	ListenTargets []sock.Addr `json:"-"`

	Conns         int           `json:"conns"`
	Rate          Rate          `json:"rate"`
	Pipeline      int           `json:"pipeline"`
	PerEvent      bool          `json:"per_event"`
	Unload        float64       `json:"unload"`
	Size          int           `json:"size,omitempty"`
	Sessions      bool          `json:"sessions"`
	Heartbeat     time.Duration `json:"heartbeat_ns,omitempty"`
	PlayerThreads int           `json:"player_threads"`

	Consumers       int           `json:"consumers"`
	Sample          int           `json:"sample"`
	Stalled         int           `json:"stalled,omitempty"`
	StallFor        time.Duration `json:"stall_for_ns,omitempty"`
	StallForever    bool          `json:"stall_forever,omitempty"`
	StallAtOnce     bool          `json:"stall_at_once,omitempty"`
	Slow            int           `json:"slow,omitempty"`
	SlowRate        int           `json:"slow_rate,omitempty"`
	Reconnect       int           `json:"reconnect,omitempty"`
	ReconnectEvery  time.Duration `json:"reconnect_every_ns,omitempty"`
	ConsumerThreads int           `json:"consumer_threads"`
	Gap             time.Duration `json:"gap_ns"`

	Varied int `json:"varied_sessions,omitempty"`
	// Crowd is consumers that ask for views; see package crowd.
	Crowd      Specs         `json:"crowd,omitempty"`
	CrowdStall time.Duration `json:"crowd_stall_ns,omitempty"`
	CrowdStay  time.Duration `json:"crowd_stay_ns,omitempty"`

	Sockets    int    `json:"sockets,omitempty"`
	SocketPath string `json:"socket_path,omitempty"`

	// Rehearsal is how many WebSockets come and go before memory is read the first time.
	Rehearsal int `json:"rehearsal,omitempty"`

	Warmup   time.Duration `json:"warmup_ns"`
	Duration time.Duration `json:"duration_ns"`
	Settle   time.Duration `json:"settle_ns"`
	JSON     string        `json:"-"`
	Label    string        `json:"label,omitempty"`
	Quiet    bool          `json:"-"`
}

// Players reports whether anybody publishes.
func (c *Config) Players() bool { return c.Conns > 0 && (c.Rate.Max || c.Rate.PerSecond > 0) }

// Uniform reports whether all events have one size.
func (c *Config) Uniform() bool { return !c.Sessions }

// Parse reads args and checks them. The usage goes to stderr.
func Parse(args []string, stderr io.Writer) (*Config, error) {
	c := &Config{Rate: Rate{PerSecond: 1000}}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "load publishes events to a dispatcher on this machine, listens to them, and measures.")
		fmt.Fprintln(stderr, "Exit codes: 0 done, 1 the run failed (partial results are printed), 2 usage, 130 interrupted.")
		f.PrintDefaults()
	}
	f.StringVar(&c.URL, "url", "http://127.0.0.1:3569", "server under test, or its instances, comma-separated, among which players are dealt out; loopback only")
	f.StringVar(&c.Post, "post", "/metrics", "path that players POST to")
	f.StringVar(&c.Stream, "stream", "/event-dispatcher", "path that consumers GET")
	f.StringVar(&c.Query, "query", "", "what consumers ask for; all events must pass")
	f.BoolVar(&c.Opaque, "opaque", false, "consumers count bytes only, and are left out of the ledger: for compressed streams")
	f.BoolVar(&c.Foreign, "foreign", false, "the server is another one, which writes ids unasked and answers POSTs with any 2xx; sample all, because frames differ in length")
	f.Var(&c.PostEnvelope, "post-envelope", "what is POSTed `around` an event, for which @ stands")
	f.Var(&c.StreamEnvelope, "stream-envelope", "what is `around` an event, for which @ stands, in a stream; all else there is passed over, as the server's own")
	f.StringVar(&c.Wire, "wire", "sse", "wire of consumers: sse, ws, or nats (its protocol over WebSocket); -crowd has more")
	f.StringVar(&c.Listen, "listen", "", "where consumers listen, if not at -url: other instances of the server, comma-separated, among which they are dealt out")
	f.Var(&c.PIDs, "pid", "`processes` of the server, comma-separated, for their CPU time and memory in sum")

	f.IntVar(&c.Conns, "conns", 32, "connections of players")
	f.Var(&c.Rate, "rate", `events per second over all connections (open loop), "max" (closed loop), or 0 (no players)`)
	f.IntVar(&c.Pipeline, "pipeline", 1, "events under way per connection")
	f.BoolVar(&c.PerEvent, "per-event", false, "a new connection for every event")
	f.Float64Var(&c.Unload, "unload", 0, "share of events whose connection is reset right after the body, as when a page is left")
	f.IntVar(&c.Size, "size", 512, "bytes of every event")
	f.BoolVar(&c.Sessions, "sessions", false, "play viewers' life cycles, sizes as in production, instead of -size")
	f.DurationVar(&c.Heartbeat, "heartbeat", time.Second, "with -sessions: a viewer's time between heartbeats (30s in production)")
	f.IntVar(&c.PlayerThreads, "player-threads", 1, "threads for players")

	f.IntVar(&c.Consumers, "consumers", 2, "streams to open")
	f.IntVar(&c.Sample, "sample", 2, "consumers that read everything and measure latency; -1 for all")
	f.IntVar(&c.Stalled, "stalled", 0, "consumers that stop reading when measuring begins")
	f.DurationVar(&c.StallFor, "stall-for", 0, "how long they do; 0 is until players have ended")
	f.BoolVar(&c.StallForever, "stall-forever", false, "they never read again, and are left out of the ledger")
	f.BoolVar(&c.StallAtOnce, "stall-at-once", false, "they stop before the first event, not only when measuring begins")
	f.IntVar(&c.Slow, "slow", 0, "consumers that read slowly")
	f.IntVar(&c.SlowRate, "slow-rate", 8000, "bytes per second that each of them reads")
	f.IntVar(&c.Reconnect, "reconnect", 0, "consumers that leave and come back")
	f.DurationVar(&c.ReconnectEvery, "reconnect-every", time.Second, "how long they stay, on average")
	f.IntVar(&c.ConsumerThreads, "consumer-threads", 1, "threads for consumers that only count")
	f.DurationVar(&c.Gap, "gap", 4*time.Millisecond, "rest between two looks at consumers that only count")

	f.IntVar(&c.Varied, "varied", 0, "publish events of -size that differ in name, platform and session, of so many sessions; what -crowd needs")
	f.Var(&c.Crowd, "crowd", "consumers with a view, `N:WIRE[+stall|+resume]:QUERY`, such as 4:ndjson:where=event_name=ERROR; may be repeated; {n} stands for a session per consumer")
	f.DurationVar(&c.CrowdStall, "crowd-stall", 3*time.Second, "how long those of the crowd that stall read nothing")
	f.DurationVar(&c.CrowdStay, "crowd-stay", time.Second, "how long those of the crowd that resume stay, on average")

	f.IntVar(&c.Sockets, "sockets", 0, "WebSockets to open and hold; they answer pings and count what comes")
	f.IntVar(&c.Rehearsal, "rehearsal", 0, "WebSockets that are opened at the start and closed, 7 s before memory is read the first time: what the server gives back of its start is not taken for less memory per consumer")
	f.StringVar(&c.SocketPath, "socket-path", "/ws/practice/user{n}", "their path; {n} stands for the number of the socket")

	f.DurationVar(&c.Warmup, "warmup", 2*time.Second, "run this long before measuring")
	f.DurationVar(&c.Duration, "duration", 10*time.Second, "measure this long")
	f.DurationVar(&c.Settle, "settle", 15*time.Second, "wait at most this long for the last events")
	f.StringVar(&c.JSON, "json", "", "write the report to this file too")
	f.StringVar(&c.Label, "label", "", "name of the run in the report")
	f.BoolVar(&c.Quiet, "quiet", false, "no progress line")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return c, c.check()
}

func (c *Config) check() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Sample < 0 {
		c.Sample = c.Consumers
	}
	if c.Opaque {
		c.Sample = 0
	}
	if c.Sessions {
		c.Size = 0
	}
	special := c.Stalled + c.Slow + c.Reconnect
	between := func(name string, v, least, most int) error {
		if v < least || v > most {
			return fmt.Errorf("-%s %d: want %d to %d", name, v, least, most)
		}
		return nil
	}
	if err := errors.Join(
		between("conns", c.Conns, 0, 20_000),
		between("pipeline", c.Pipeline, 1, 256),
		between("player-threads", c.PlayerThreads, 1, 64),
		between("consumers", c.Consumers, 0, 100_000),
		between("sample", c.Sample, 0, 100_000),
		between("stalled", c.Stalled, 0, 100_000),
		between("slow", c.Slow, 0, 100_000),
		between("reconnect", c.Reconnect, 0, 100_000),
		between("sockets", c.Sockets, 0, 20_000),
		between("rehearsal", c.Rehearsal, 0, 20_000),
		between("slow-rate", c.SlowRate, 100, 1<<30),
		between("consumer-threads", c.ConsumerThreads, 1, 64),
	); err != nil {
		return err
	}
	switch {
	case c.Wire != consumer.SSE && c.Wire != consumer.WebSocket && c.Wire != consumer.NATS:
		return fmt.Errorf("-wire %q: want sse, ws or nats", c.Wire)
	case c.Wire == consumer.NATS && c.Sample != c.Consumers:
		return errors.New("-wire nats: want -sample -1: what is around its events is not that of the stream")
	case len(c.Crowd) > 0 && (c.Varied == 0 || c.Unload > 0 || !c.Players()):
		return errors.New("-crowd needs -varied, and players that wait for their answers: it knows what was published")
	case c.Varied > 0 && c.Sessions:
		return errors.New("-varied and -sessions: want one of them")
	case c.Varied > 0 && c.Size < 320:
		return fmt.Errorf("-size %d: want at least 320 with -varied", c.Size)
	case special > c.Consumers:
		return fmt.Errorf("-stalled, -slow and -reconnect are %d together, more than -consumers %d", special, c.Consumers)
	case !c.Sessions && (c.Size < event.MinBytes || c.Size > 1<<20):
		return fmt.Errorf("-size %d: want %d to %d", c.Size, event.MinBytes, 1<<20)
	case c.Unload < 0 || c.Unload > 1:
		return fmt.Errorf("-unload %v: want 0 to 1", c.Unload)
	case c.Heartbeat < time.Millisecond:
		return fmt.Errorf("-heartbeat %v: want at least 1ms", c.Heartbeat)
	case c.ReconnectEvery < 100*time.Millisecond:
		return fmt.Errorf("-reconnect-every %v: want at least 100ms", c.ReconnectEvery)
	case c.Duration < 100*time.Millisecond || c.Duration > time.Hour:
		return fmt.Errorf("-duration %v: want 100ms to 1h", c.Duration)
	case c.Warmup < 0 || c.Warmup > time.Hour:
		return fmt.Errorf("-warmup %v: want 0 to 1h", c.Warmup)
	case c.Settle < 0 || c.Settle > time.Hour:
		return fmt.Errorf("-settle %v: want 0 to 1h", c.Settle)
	case c.Gap < 0 || c.Gap > time.Second:
		return fmt.Errorf("-gap %v: want 0 to 1s", c.Gap)
	case !c.Players() && c.Consumers+c.Sockets == 0:
		return errors.New("no players, no consumers and no sockets: nothing to do")
	case len(c.ListenTargets) > 1 && (len(c.Crowd) > 0 || c.Sockets+c.Rehearsal > 0):
		return errors.New("-crowd, -sockets and -rehearsal are for one instance: want one address in -url, or in -listen")
	case (c.Listen != "" || len(c.Targets) > 1) && c.Reconnect > 0:
		return errors.New("-listen, or several addresses, and -reconnect: what is on its way from the one instance to the other when a stream opens cannot be balanced")
	}
	// What is left for samples comes first, special ones from the rest.
	c.Sample = min(c.Sample, c.Consumers-special)
	return c.checkDescriptors()
}

func (c *Config) checkDescriptors() error {
	const spare = 64
	limit, err := sock.Descriptors()
	if err != nil {
		return err
	}
	if need := c.Crowd.Total() + c.Consumers + c.Sockets + c.Conns + spare; uint64(need) > limit {
		return fmt.Errorf("%d consumers, %d sockets and %d connections need %d descriptors, the limit is %d: fewer of them, a higher limit (ulimit -n), or several generators",
			c.Consumers, c.Sockets, c.Conns, need, limit)
	}
	return nil
}

// resolve takes the URLs and paths apart.
func (c *Config) resolve() (err error) {
	if c.Targets, err = endpoints("url", c.URL); err != nil {
		return err
	}
	c.ListenTargets = c.Targets
	if c.Listen != "" {
		if c.ListenTargets, err = endpoints("listen", c.Listen); err != nil {
			return err
		}
	}
	for _, p := range []string{c.Post, c.Stream, c.SocketPath} {
		if p == "" || p[0] != '/' {
			return fmt.Errorf("path %q: want it to begin with /", p)
		}
	}
	return nil
}
