// Package config reads flags and environment variables and checks them, before
// anything listens.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"event-dispatcher/broker/ring"
	"event-dispatcher/transport/ingest"
)

// A Config is what the program runs with. Durations of 0 are off where the flag
// says so.
type Config struct {
	Addrs       []string // public listeners, host:port
	AdminAddr   string   // empty: metrics and probes are on the public ones
	Version     bool     // print the version and end
	LogLevel    zapcore.Level
	ProfileRate int
	HealthURL   string // set by -healthcheck: probe this and end

	Shards    int
	ShardKey  string
	RingBytes int
	MaxBody   int

	Loops         int
	FlushInterval time.Duration
	KeepAlive     time.Duration
	Stall         time.Duration
	MaxConsumers  int
	Portable      bool

	MaxConnections    int
	ClientConnections int
	ReadTimeout       time.Duration
	IdleTimeout       time.Duration
	IngestRate        float64
	ClientRate        float64
	Origins           []string
	TrustedProxies    []netip.Prefix

	Drain        time.Duration
	DrainLead    time.Duration
	DrainWindow  time.Duration
	DrainSilence time.Duration

	Shared
}

// ErrUsage wraps every error of Parse that is the user's; [flag.ErrHelp] is not one.
var ErrUsage = errors.New("usage")

// Parse reads args and, for flags that are not among them, the environment: flag
// -max-body is variable MAX_BODY. Errors are not yet printed, help is.
func Parse(args []string, getenv func(string) string, stderr io.Writer) (*Config, error) {
	c := &Config{}
	fs := flag.NewFlagSet("event_dispatcher", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var port, origins, proxies, redis, pages string
	var check bool
	level := zapcore.InfoLevel

	fs.StringVar(&port, "port", ":3569", "public `addresses`, comma-separated: :3569, 3569 or host:3569")
	fs.StringVar(&c.AdminAddr, "admin-addr", "", "`address` for metrics, probes, consumer list and pprof; they are then not on the public port")
	fs.BoolVar(&c.Version, "version", false, "print the version and exit")
	fs.BoolVar(&check, "healthcheck", false, "ask a running instance on -port (or -admin-addr) whether it is ready, and exit 0 or 1")
	fs.IntVar(&c.ProfileRate, "profile-rate", 0, "for the mutex and block profiles on -admin-addr: sample one in so many contentions, and blocks of so many nanoseconds; 0 is off")
	fs.TextVar(&level, "log-level", zapcore.InfoLevel, "lowest `level` logged: debug, info, warn, error")

	fs.IntVar(&c.Shards, "shards", 0, "independent logs; 0 chooses by the number of cores (1 up to 8)")
	fs.StringVar(&c.ShardKey, "shard-key", "", "top-level JSON `member` whose value picks the shard, such as session_id; empty: the connection picks it")
	fs.IntVar(&c.RingBytes, "ring-bytes", 64<<20, "memory for events that slow consumers have not got yet, in `bytes`")
	fs.IntVar(&c.MaxBody, "max-body", 256<<10, "largest event accepted, in `bytes`")

	fs.IntVar(&c.Loops, "loops", 0, "writer loops; 0 means half the cores, at least one")
	fs.DurationVar(&c.FlushInterval, "flush-interval", time.Millisecond, "longest pause between two writes to a consumer under load; 0 never pauses")
	fs.DurationVar(&c.KeepAlive, "keep-alive", 10*time.Second, "longest silence of a stream; 0 turns keep-alives off")
	fs.DurationVar(&c.Stall, "stall-timeout", 30*time.Second, "a consumer that takes no byte for so long is dead")
	fs.IntVar(&c.MaxConsumers, "max-consumers", 10_000, "most streams at once")
	fs.BoolVar(&c.Portable, "portable-loops", false, "write from a goroutine per consumer, as on systems without epoll")

	fs.IntVar(&c.MaxConnections, "max-connections", 8192, "most HTTP connections at once, streams not counted")
	fs.IntVar(&c.ClientConnections, "client-connections", 0, "most connections of one client address (429 beyond), streams and sockets among them; 0 means no limit. List your proxies in -trusted-proxies first")
	fs.DurationVar(&c.ReadTimeout, "read-timeout", 10*time.Second, "longest time for a request to arrive")
	fs.DurationVar(&c.IdleTimeout, "idle-timeout", 75*time.Second, "longest wait for a connection's next request")
	fs.Float64Var(&c.IngestRate, "ingest-rate", 0, "most events per second in all (503 beyond); 0 means no limit")
	fs.Float64Var(&c.ClientRate, "client-rate", 0, "most events per second from one client address (429 beyond); 0 means no limit")
	fs.StringVar(&origins, "cors-origins", "", "`origins` that may use the service from a browser, comma-separated; empty means all, without credentials")
	fs.StringVar(&proxies, "trusted-proxies", "", "`networks` of proxies whose X-Forwarded-For is believed, comma-separated; empty means all")

	c.Shared.flags(fs, &redis, &pages)

	fs.DurationVar(&c.Drain, "drain-timeout", 30*time.Second, "longest shutdown")
	fs.DurationVar(&c.DrainLead, "drain-lead", 0, "time between not being ready and the shutdown, for balancers to look elsewhere; everything is served meanwhile")
	fs.DurationVar(&c.DrainWindow, "drain-window", 5*time.Second, "time over which the ends of streams are spread at shutdown")
	fs.DurationVar(&c.DrainSilence, "drain-silence", 0, "silence before streams end at shutdown, for consumers that reconnect only after silence")

	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(fs, stderr)
			return nil, flag.ErrHelp
		}
		return nil, fmt.Errorf("%w: %w", ErrUsage, withUnits(err))
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%w: unexpected argument %q", ErrUsage, fs.Arg(0))
	}
	if err := fromEnvironment(fs, getenv); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	c.LogLevel = level
	if err := errors.Join(c.check(port, origins, proxies, check), c.Shared.check(redis, pages)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	c.noteIdle(fs)
	return c, nil
}

// fromEnvironment sets the flags that were not given and have a variable.
func fromEnvironment(fs *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := EnvName(f.Name)
		value := getenv(name)
		// A variable VERSION or HEALTHCHECK is likely to mean something else.
		if value == "" || given[f.Name] || f.Name == "version" || f.Name == "healthcheck" {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: invalid value %q: %w", name, value, withUnits(err)))
		}
	})
	return errors.Join(errs...)
}

// withUnits says what package flag leaves out: how numbers and durations are written.
func withUnits(err error) error {
	if strings.HasSuffix(err.Error(), "parse error") {
		return fmt.Errorf("%w (numbers have no unit: 67108864; durations have one: 10s; switches are true or false)", err)
	}
	return err
}

// EnvName is the environment variable of a flag.
func EnvName(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

func usage(fs *flag.FlagSet, w io.Writer) {
	fmt.Fprintln(w, "Usage: event_dispatcher [flags]")
	fmt.Fprintln(w, "Players POST JSON events to /metrics or /api/events; GET /events streams them to everybody.")
	fmt.Fprintln(w, "Every flag is also an environment variable (-max-body: MAX_BODY); the flag wins.")
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// check validates what flags alone cannot, and splits lists.
func (c *Config) check(port, origins, proxies string, healthcheck bool) error {
	var err error
	if c.Addrs, err = addresses(port); err != nil {
		return err
	}
	if c.AdminAddr != "" {
		if c.AdminAddr, err = address(c.AdminAddr); err != nil {
			return fmt.Errorf("-admin-addr: %w", err)
		}
		for _, public := range c.Addrs {
			if overlap(c.AdminAddr, public) {
				return fmt.Errorf("-admin-addr: %s is also public (-port %s); it must be an address of its own", c.AdminAddr, public)
			}
		}
	}
	for _, o := range list(origins) {
		if !isOrigin(o) {
			return fmt.Errorf("-cors-origins: %q is not an origin such as https://example.org", o)
		}
		c.Origins = append(c.Origins, strings.ToLower(o)) // as browsers write it
	}
	for _, p := range list(proxies) {
		prefix, err := netip.ParsePrefix(p)
		if addr, e := netip.ParseAddr(p); e == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("-trusted-proxies: %q is not a network such as 10.0.0.0/8", p)
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix)
	}
	const (
		many = 1 << 24 // more than any system has descriptors
		long = 24 * time.Hour
		body = ring.MaxSegmentBytes/4 - ingest.MaxAddedBytes // what the broker takes, less what ingest adds
	)
	for _, limit := range []struct {
		flag                   string
		value, lowest, highest float64
	}{
		{"profile-rate", float64(c.ProfileRate), 0, 1 << 30},
		{"shards", float64(c.Shards), 0, 64},
		{"ring-bytes", float64(c.RingBytes), 1, 1 << 46},
		{"max-body", float64(c.MaxBody), 1, body},
		{"loops", float64(c.Loops), 0, 1024},
		{"max-consumers", float64(c.MaxConsumers), 1, many},
		{"max-sockets", float64(c.MaxSockets), 1, many},
		{"redis-outbox-bytes", float64(c.OutboxBytes), 1, 1 << 40},
		{"max-connections", float64(c.MaxConnections), 1, many},
		{"client-connections", float64(c.ClientConnections), 0, many},
		{"ingest-rate", c.IngestRate, 0, 1e12},
		{"client-rate", c.ClientRate, 0, 1e12},
	} {
		if !(limit.value >= limit.lowest && limit.value <= limit.highest) { // NaN, too
			return fmt.Errorf("-%s: must be from %.0f to %.0f", limit.flag, limit.lowest, limit.highest)
		}
	}
	for _, limit := range []struct {
		flag                   string
		value, lowest, highest time.Duration
		off                    bool // 0 turns it off
	}{
		{"flush-interval", c.FlushInterval, 0, time.Second, false},
		{"keep-alive", c.KeepAlive, 10 * time.Millisecond, long, true},
		{"stall-timeout", c.Stall, 100 * time.Millisecond, long, false},
		{"read-timeout", c.ReadTimeout, 100 * time.Millisecond, long, false},
		{"idle-timeout", c.IdleTimeout, 100 * time.Millisecond, long, false},
		{"session-ttl", c.SessionTTL, time.Second, 365 * long, true},
		{"session-grace", c.Grace, 0, long, false},
		{"socket-ping", c.Ping, 10 * time.Millisecond, long, false},
		{"drain-timeout", c.Drain, 0, long, false},
		{"drain-lead", c.DrainLead, 0, long, false},
		{"drain-window", c.DrainWindow, 0, long, false},
		{"drain-silence", c.DrainSilence, 0, long, false},
	} {
		if (limit.value < limit.lowest || limit.value > limit.highest) && !(limit.off && limit.value == 0) {
			return fmt.Errorf("-%s: must be from %v to %v", limit.flag, limit.lowest, limit.highest)
		}
	}
	if least := c.DrainLead + c.DrainSilence + c.DrainWindow; c.Drain < least {
		return fmt.Errorf("-drain-timeout: %v is less than -drain-lead, -drain-silence and -drain-window together (%v)", c.Drain, least)
	}
	if healthcheck {
		addr := c.Addrs[0]
		if c.AdminAddr != "" {
			addr = c.AdminAddr
		}
		c.HealthURL = "http://" + reachable(addr) + "/readyz"
	}
	return nil
}

func addresses(port string) ([]string, error) {
	var addrs []string
	for _, p := range list(port) {
		a, err := address(p)
		if err != nil {
			return nil, fmt.Errorf("-port: %w", err)
		}
		addrs = append(addrs, a)
	}
	if len(addrs) == 0 {
		return nil, errors.New("-port: no address")
	}
	return addrs, nil
}

// address turns 3569, :3569 or host:3569 into what net.Listen takes.
func address(s string) (string, error) {
	if !strings.Contains(s, ":") {
		s = ":" + s
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address such as :3569", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	return net.JoinHostPort(host, port), nil
}

// overlap reports whether two listeners would want the same address; port 0 is
// another one each time.
func overlap(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (hostA == hostB || hostA == "" || hostB == "")
}

// reachable is the address at which a listener on addr answers from this host.
func reachable(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func list(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
