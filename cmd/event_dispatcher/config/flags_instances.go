package config

import (
	"errors"
	"fmt"
	"strings"

	"event-dispatcher/broker/redis"
	"event-dispatcher/broker/relay"
)

// instances declares the flags of what several instances share.
func (c *Config) instances(t *table) {
	o := &c.Relay
	t.group("Several instances")
	t.read("redis", "", "`address` of the Redis that instances share: redis://[user:password@]host:port/0, rediss://, redis-sentinel://host:port/master, several hosts for a cluster; empty: this instance is alone", server(&c.Redis, redis.Parse))
	t.read("relay", "", "`address` of the NATS that takes players' events between instances instead of Redis: nats://[user:password@]host:port, several hosts for a cluster, tls:// for TLS; sessions stay in Redis, if there is one, or in memory", server(&c.NATS, relay.ParseNATS))
	t.text(&c.RedisPrefix, "redis-prefix", "", "`text` before the names of all keys and channels in Redis; it ends with a colon")
	t.text(&o.Channel, "redis-channel", "event-dispatcher", "`channel` of the events that players post, or subject in NATS; a name that is given gets no prefix and no number of a database")
	t.text(&o.SessionChannel, "redis-session-channel", "my-redis-channel", "`channel` of session events; a name that is given gets no prefix and no number of a database")
	t.count(&o.OutboxBytes, "redis-outbox-bytes", 16<<20, 1, 1<<40, "memory for events that wait for Redis or NATS, in `bytes`; at least 16 of the largest events per shard are taken")

	t.then(func() error {
		c.nameChannels()
		switch {
		case c.RedisPrefix != "" && !strings.HasSuffix(c.RedisPrefix, ":"):
			// No name has a colon in a key, so nobody elsewhere can have ours.
			return errors.New("-redis-prefix: must end with a colon: without it a user or a practice of another deployment on this Redis can have the keys of this one")
		case o.Channel == "" || o.SessionChannel == "":
			return errors.New("-redis-channel, -redis-session-channel: must not be empty")
		case o.Channel == o.SessionChannel:
			return errors.New("-redis-channel, -redis-session-channel: must differ")
		case c.NATS != nil && !relay.ValidSubject(o.Channel):
			return errors.New("-redis-channel: in NATS a subject has no blanks, no * and no >, and no empty part between its dots")
		}
		if c.NATS != nil && c.Redis != nil && !c.reading.given("redis-channel") && (c.RedisPrefix != "" || c.Redis.Database() > 0) {
			c.Mixes = "-redis-prefix and the number of the database keep deployments apart in Redis, not in NATS: give each its -redis-channel, or players' events of all come to all"
		}
		if c.Redis == nil {
			for _, name := range t.names() { // those that were given in vain
				ours := c.NATS != nil && (name == "redis-channel" || name == "redis-outbox-bytes")
				if c.reading.given(name) && strings.HasPrefix(name, "redis-") && !ours {
					c.Idle = append(c.Idle, "-"+name)
				}
			}
		}
		return nil
	})
}

// nameChannels keeps deployments apart that share a Redis: by the prefix and the
// number of the database, which Pub/Sub does not know. Without either, the names are
// those that the original service and older versions have.
func (c *Config) nameChannels() {
	if c.Redis == nil {
		return
	}
	for name, channel := range map[string]*string{"redis-channel": &c.Relay.Channel, "redis-session-channel": &c.Relay.SessionChannel} {
		if c.reading.given(name) || name == "redis-channel" && c.NATS != nil {
			continue
		}
		*channel = c.RedisPrefix + *channel
		if db := c.Redis.Database(); db > 0 {
			*channel += fmt.Sprintf("@%d", db)
		}
	}
}
