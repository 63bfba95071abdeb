package relay

import (
	"context"
	"errors"
	"time"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// OverRedis returns the carrier of a Redis: its Pub/Sub. In a cluster that has it,
// players' events go by sharded Pub/Sub, which stays within the shard of a node.
func OverRedis(server redis.Config) Carrier { return &overRedis{server} }

type overRedis struct{ server redis.Config }

func (r *overRedis) Kind() string   { return "redis" }
func (r *overRedis) String() string { return r.server.String() }

// redisName is a channel's name in Redis. The braces keep all channels of a name in
// the slot of the first in a cluster.
func redisName(c Channel) string {
	if c.Part == "" {
		return c.Name
	}
	return "{" + c.Name + "}/" + c.Part
}

func (r *overRedis) Out(ctx context.Context, failed func(error)) (Out, error) {
	client, err := redis.Connect(ctx, r.server, failed)
	if err != nil {
		return nil, err
	}
	return &redisOut{client: client, sharded: redis.Sharded(ctx, client)}, nil
}

// A redisOut publishes to Redis.
type redisOut struct {
	client  rueidis.Client
	sharded bool
}

// Publish does it without a deadline: the connection has one, and the texts may be
// used again only when the library has let go of them.
func (o *redisOut) Publish(parcels []Parcel) {
	commands := make(rueidis.Commands, len(parcels))
	for i, p := range parcels {
		name, text := redisName(p.Channel), rueidis.BinaryString(p.Text)
		if o.sharded && !p.Channel.Original {
			commands[i] = o.client.B().Spublish().Channel(name).Message(text).Build()
		} else {
			commands[i] = o.client.B().Publish().Channel(name).Message(text).Build()
		}
	}
	for i, r := range o.client.DoMulti(context.Background(), commands...) {
		heard, err := r.AsInt64()
		parcels[i].Heard, parcels[i].Err = int(heard), err
	}
}

func (o *redisOut) Check() error {
	return o.client.Do(context.Background(), o.client.B().Ping().Build()).Error()
}

func (o *redisOut) MaxMessage() int { return 0 } // 512 MB

func (o *redisOut) Close() { o.client.Close() }

func (r *overRedis) In(ctx context.Context, failed func(error)) (In, error) {
	client, err := redis.Connect(ctx, r.server, failed)
	if err != nil {
		return nil, err
	}
	return &redisIn{client: client, sharded: redis.Sharded(ctx, client)}, nil
}

// A redisIn subscribes at a Redis.
type redisIn struct {
	client  rueidis.Client
	sharded bool
}

// unsubscribing is how long Redis may take for an UNSUBSCRIBE.
const unsubscribing = 2 * time.Second

// errUnsubscribed says that Redis ended a subscription.
var errUnsubscribed = errors.New("redis ended the subscription")

func (i *redisIn) Hear(ctx context.Context, c Channel, began func(), put func(text string)) error {
	name, kind := redisName(c), "subscribe"
	command := i.client.B().Subscribe().Channel(name).Build()
	end := i.client.B().Unsubscribe().Channel(name).Build()
	if i.sharded && !c.Original {
		kind = "ssubscribe"
		command = i.client.B().Ssubscribe().Channel(name).Build()
		end = i.client.B().Sunsubscribe().Channel(name).Build()
	}
	subscription, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		// The library forgets a subscription whose context is done, and Redis
		// goes on sending: it is told first. It may not let us, or not answer.
		time.AfterFunc(unsubscribing, cancel)
		i.client.Do(subscription, end)
	})()
	err := i.client.Receive(rueidis.WithOnSubscriptionHook(subscription, func(s rueidis.PubSubSubscription) {
		if s.Kind == kind {
			began()
		}
	}), command, func(m rueidis.PubSubMessage) { put(m.Message) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return errUnsubscribed
	}
	return err
}

func (i *redisIn) Overflows() uint64 { return 0 } // Redis cuts the connection instead

func (i *redisIn) Close() { i.client.Close() }
