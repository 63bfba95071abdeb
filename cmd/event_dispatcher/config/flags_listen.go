package config

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"event-dispatcher/transport/access"
)

// listening declares the flags of listeners and of what comes in by them.
func (c *Config) listening(t *table) {
	o := &c.Transport
	var check bool
	t.group("Listening")
	t.read("port", ":3569", "public `addresses`, comma-separated: :3569, 3569 or host:3569", c.public)
	t.read("admin-addr", "", "`address` for metrics, probes, console, consumer list and pprof; they are then not on the public port", c.admin)
	t.read("console", "on", "`on`: a page at / shows what is going on, on -admin-addr if there is one; off: a few lines of text",
		oneOf(func(text string) { o.ConsoleOff = text == "off" }, "on", "off"))
	t.read("trusted-proxies", "", "`networks` of proxies whose X-Forwarded-For is believed, comma-separated; empty means all", each(&o.TrustedProxies, network))
	t.read("cors-origins", "", "`origins` that may use the service from a browser, comma-separated; empty means all; streams then without credentials", each(&o.Origins, access.Origin))
	t.count(&o.MaxConnections, "max-connections", 8192, 1, many, "most HTTP connections at once, streams not counted")
	t.count(&o.ClientConnections, "client-connections", -1, -1, many, "most connections of one client address (429 beyond), streams and sockets among them; 0 means no limit, -1 means 512 where -trusted-proxies says which addresses are proxies, and otherwise no limit")
	t.duration(&o.ReadTimeout, "read-timeout", 10*time.Second, 100*time.Millisecond, long, "longest time for a request to arrive")
	t.duration(&o.IdleTimeout, "idle-timeout", 75*time.Second, 100*time.Millisecond, long, "longest wait for a connection's next request")

	t.group("Running")
	t.read("log-level", "info", "lowest `level` logged: debug, info, warn, error", parsed(&c.LogLevel, logLevel))
	t.count(&c.ProfileRate, "profile-rate", 0, 0, 1<<30, "for the mutex and block profiles on -admin-addr: sample one in so many contentions, and blocks of so many nanoseconds; 0 is off")
	t.read("log-format", "auto", "`form` of log lines: json; text, for people; auto: text on a terminal",
		oneOf(func(text string) { c.LogFormat = text }, "auto", "json", "text"))
	t.text(&c.reading.path, "config", "", "`file` with values of flags by their names (.json, otherwise TOML)")
	t.noEnv["config"] = true // CONFIG is likely to mean something else
	t.ask(&c.Check, "check", "say whether flags, files and limits are all right, and exit 0 or 2")
	t.ask(&c.Print, "print-config", "print what is in force, as a file for -config, secrets masked, and exit")
	t.ask(&c.Version, "version", "print the version and exit")
	t.ask(&check, "healthcheck", "ask a running instance on -port (or -admin-addr) whether it is ready, and exit 0 or 1")

	t.then(func() error {
		switch {
		case len(c.Addrs) == 0: // -port was refused
		case check && c.AdminAddr != "":
			c.HealthURL = probeURL(c.AdminAddr, c.Files.AdminCert != "")
		case check:
			c.HealthURL = probeURL(c.Addrs[0], c.Files.Cert != "")
		}
		if o.ClientConnections < 0 {
			o.ClientConnections = 0
			if len(o.TrustedProxies) > 0 {
				o.ClientConnections = clientConnections
			}
		}
		return nil
	})
}

// logLevel reads one by its name. Those above error are taken, too, but nothing is logged
// at them.
func logLevel(text string) (zapcore.Level, error) {
	level, err := zapcore.ParseLevel(text)
	if err != nil {
		return level, errors.New("must be debug, info, warn or error")
	}
	return level, nil
}

// clientConnections is the most that a client holds where addresses can be told apart
// from proxies: offices and schools share one.
const clientConnections = 512

func probeURL(addr string, tls bool) string {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + reachable(addr) + "/readyz"
}

// public reads the addresses of players and consumers.
func (c *Config) public(text string) error {
	err := each(&c.Addrs, address)(text)
	if err == nil && len(c.Addrs) == 0 {
		err = errors.New("no address")
	}
	return err
}

// admin reads the address of the operators' listener, if there is one.
func (c *Config) admin(text string) (err error) {
	if text == "" {
		return nil
	}
	if c.AdminAddr, err = address(text); err != nil {
		return err
	}
	for _, public := range c.Addrs {
		if overlap(c.AdminAddr, public) {
			return fmt.Errorf("%s is also public (-port %s); it must be an address of its own", c.AdminAddr, public)
		}
	}
	return nil
}
