// Package config reads flags and environment variables and checks them, before
// anything listens.
//
// The files flags_*.go declare the flags, one line each: where the value goes, name,
// default, bounds, what it is for. Most go straight into the Options of the package
// that they tune.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"event-dispatcher/broker"
	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/relay"
	"event-dispatcher/broker/session"
	"event-dispatcher/cmd/event_dispatcher/process"
	"event-dispatcher/transport"
	"event-dispatcher/transport/screens"
	"event-dispatcher/transport/stream"
)

// A Config is what the program runs with. The Options lack what only the running
// program has: logs, and each other.
type Config struct {
	Addrs       []string // public listeners, host:port
	AdminAddr   string   // empty: metrics and probes are on the public ones
	Version     bool     // print the version and end
	Check       bool     // say whether everything is all right, and end
	Print       bool     // print what is in force, and end
	LogLevel    zapcore.Level
	LogFormat   string // auto, json, text
	ProfileRate int
	HealthURL   string // set by -healthcheck: probe this and end

	Files     process.Files // of who may what, and of TLS
	Broker    broker.Options
	Streams   stream.Options
	Transport transport.Options
	Sockets   screens.HubOptions
	Service   session.ServiceOptions
	Sessions  session.Options

	Redis       *redis.Config // nil: sessions are this instance's own
	NATS        *relay.NATS   // nil: Redis takes players' events, if there is one
	RedisPrefix string
	Relay       relay.Options
	Idle        []string // flags that were given and mean nothing without Redis
	Mixes       string   // why two deployments would get each other's events, or nothing

	Drain Drain

	reading *reading // how all this was read
}

// Write prints what is in force, as a file that -config takes. Secrets are masked.
func (c *Config) Write(w io.Writer) error { return c.reading.print(w) }

// Lookalikes lists variables of an environment that nothing reads and that are nearly
// those of flags.
func (c *Config) Lookalikes(environ []string) []string { return c.reading.lookalikes(environ) }

// A Drain is how the program ends.
type Drain struct {
	Timeout time.Duration // at most, in all
	Lead    time.Duration // from not being ready to the end of intake
	Window  time.Duration // over which ends of streams are spread
	Silence time.Duration // before them
}

// ErrUsage wraps every error of Parse that is the user's; [flag.ErrHelp] is not one.
var ErrUsage = errors.New("usage")

// Parse reads args and, for flags that are not among them, the environment: flag
// -max-body is variable MAX_BODY; then the file of -config. Errors are not yet printed,
// help is.
func Parse(args []string, getenv func(string) string, help io.Writer) (*Config, error) {
	t := newTable()
	c := &Config{reading: newReading(t)}
	c.listening(t)
	c.access(t)
	c.ingest(t)
	c.streams(t)
	c.views(t)
	c.sessions(t)
	c.instances(t)
	c.drain(t)

	err := c.reading.everything(args, getenv)
	if errors.Is(err, flag.ErrHelp) {
		t.usage(help)
		return nil, flag.ErrHelp
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return c, nil
}

// EnvName is the environment variable of a flag.
func EnvName(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }
