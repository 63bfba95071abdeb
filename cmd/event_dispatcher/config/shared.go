package config

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strings"
	"time"

	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/session"
)

// Shared is what concerns several instances and users' screens.
type Shared struct {
	Redis          *redis.Config // nil: this instance is alone
	RedisPrefix    string
	Channel        string // of the firehose
	SessionChannel string
	OutboxBytes    int
	Idle           []string // flags that were given and mean nothing without Redis

	SessionTTL  time.Duration // 0: for ever
	Practice    string        // of events and users that name none
	Grace       time.Duration
	Ping        time.Duration
	MaxSockets  int
	SocketPages []string // origins besides the service's own; "*" is all
}

// flags declares them. Addresses and lists are left to check.
func (c *Shared) flags(fs *flag.FlagSet, address, pages *string) {
	fs.StringVar(address, "redis", "", "`address` of the Redis that instances share: redis://[user:password@]host:port/0, rediss://, redis-sentinel://host:port/master, several hosts for a cluster; empty: this instance is alone")
	fs.StringVar(&c.RedisPrefix, "redis-prefix", "", "`text` before the names of all keys in Redis")
	fs.StringVar(&c.Channel, "redis-channel", "event-dispatcher", "Pub/Sub `channel` of the events that players post")
	fs.StringVar(&c.SessionChannel, "redis-session-channel", "my-redis-channel", "Pub/Sub `channel` of session events")
	fs.IntVar(&c.OutboxBytes, "redis-outbox-bytes", 16<<20, "memory for events that wait for Redis, in `bytes`; at least 16 of the largest events per shard are taken")

	fs.DurationVar(&c.SessionTTL, "session-ttl", time.Hour, "how long a session event is stored; 0 is for ever")
	fs.StringVar(&c.Practice, "default-practice", "myPracticeId", "`practice` of session events that name none")
	fs.DurationVar(&c.Grace, "session-grace", 5*time.Second, "how long after its last socket closed a user is logged out")
	fs.DurationVar(&c.Ping, "socket-ping", 25*time.Second, "time between two pings of a session socket; two without an answer end it")
	fs.IntVar(&c.MaxSockets, "max-sockets", 10_000, "most session sockets at once, and most WebSocket streams")
	fs.StringVar(pages, "socket-origins", "", "`origins` besides the service's own whose pages may open session sockets, comma-separated; * means all")
}

// check validates what flags alone cannot.
func (c *Shared) check(address, pages string) error {
	if address != "" {
		server, err := redis.Parse(address)
		if err != nil {
			return fmt.Errorf("-redis: %w", err) // does not repeat the address, which may hold a password
		}
		c.Redis = &server
	}
	for _, p := range list(pages) {
		if !isOrigin(p) && p != "*" {
			return fmt.Errorf("-socket-origins: %q is not an origin such as https://example.org", p)
		}
		c.SocketPages = append(c.SocketPages, strings.ToLower(p))
	}
	switch {
	case c.Channel == "" || c.SessionChannel == "":
		return errors.New("-redis-channel, -redis-session-channel: must not be empty")
	case c.Channel == c.SessionChannel:
		return errors.New("-redis-channel, -redis-session-channel: must differ")
	case !session.ValidName(c.Practice):
		return fmt.Errorf("-default-practice: must have from 1 to %d bytes of UTF-8", session.MaxName)
	}
	return nil
}

// noteIdle lists the flags that were given in vain.
func (c *Shared) noteIdle(fs *flag.FlagSet) {
	if c.Redis != nil {
		return
	}
	fs.Visit(func(f *flag.Flag) {
		if strings.HasPrefix(f.Name, "redis-") {
			c.Idle = append(c.Idle, "-"+f.Name)
		}
	})
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != "" && u.Path == "" && u.RawQuery == ""
}
