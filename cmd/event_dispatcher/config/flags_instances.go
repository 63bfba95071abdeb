package config

import (
	"errors"
	"flag"
	"strings"

	"event-dispatcher/broker/redis"
)

// instances declares the flags of what several instances share.
func (c *Config) instances(t *table) {
	o := &c.Relay
	t.group("Several instances")
	t.read("redis", "", "`address` of the Redis that instances share: redis://[user:password@]host:port/0, rediss://, redis-sentinel://host:port/master, several hosts for a cluster; empty: this instance is alone", c.server)
	t.text(&c.RedisPrefix, "redis-prefix", "", "`text` before the names of all keys in Redis")
	t.text(&o.Channel, "redis-channel", "event-dispatcher", "Pub/Sub `channel` of the events that players post")
	t.text(&o.SessionChannel, "redis-session-channel", "my-redis-channel", "Pub/Sub `channel` of session events")
	t.count(&o.OutboxBytes, "redis-outbox-bytes", 16<<20, 1, 1<<40, "memory for events that wait for Redis, in `bytes`; at least 16 of the largest events per shard are taken")

	t.then(func() error {
		switch {
		case o.Channel == "" || o.SessionChannel == "":
			return errors.New("-redis-channel, -redis-session-channel: must not be empty")
		case o.Channel == o.SessionChannel:
			return errors.New("-redis-channel, -redis-session-channel: must differ")
		}
		if c.Redis == nil {
			t.flags.Visit(func(f *flag.Flag) { // those that were given in vain
				if strings.HasPrefix(f.Name, "redis-") {
					c.Idle = append(c.Idle, "-"+f.Name)
				}
			})
		}
		return nil
	})
}

// server reads the address of a Redis. Errors do not repeat it: it may hold a password.
func (c *Config) server(address string) error {
	if address == "" {
		return nil
	}
	server, err := redis.Parse(address)
	if err != nil {
		return err
	}
	c.Redis = &server
	return nil
}
