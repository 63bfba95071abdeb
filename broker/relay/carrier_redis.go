package relay

import (
	"context"
	"errors"
	"sync"
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
	return &redisOut{ctx: ctx, server: r.server, client: client, sharded: redis.Sharded(ctx, client)}, nil
}

// A redisOut publishes to Redis.
type redisOut struct {
	ctx     context.Context // of connecting again
	server  redis.Config
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
	cluster := o.client.Mode() == rueidis.ClientModeCluster
	for i, r := range o.client.DoMulti(context.Background(), commands...) {
		heard, err := r.AsInt64()
		parcels[i].Heard, parcels[i].Err = int(heard), err
		if cluster && (!o.sharded || parcels[i].Channel.Original) {
			parcels[i].Heard = Unheard // it counts those at one node
		}
	}
}

// Check connects again if the Redis at the other end has become a replica: what is
// published there reaches nobody else. Whether it is one still, the next Check finds.
func (o *redisOut) Check() error {
	err := redis.Master(o.ctx, o.client)
	if errors.Is(err, redis.ErrReplica) {
		if client, e := redis.ConnectOnce(o.server); e == nil {
			o.client.Close()
			o.client = client
		}
	}
	return err
}

func (o *redisOut) MaxMessage() int { return 0 } // 512 MB

func (o *redisOut) Close() { o.client.Close() }

func (r *overRedis) In(ctx context.Context, failed func(error)) (In, error) {
	client, err := redis.Connect(ctx, r.server, failed)
	if err != nil {
		return nil, err
	}
	i := &redisIn{client: client, sharded: redis.Sharded(ctx, client)}
	i.open, i.quit = context.WithCancel(context.WithoutCancel(ctx))
	i.watching.Go(func() { i.watch(ctx, r.server) })
	return i, nil
}

// A redisIn subscribes at a Redis.
type redisIn struct {
	sharded  bool
	open     context.Context // done once Close is called
	quit     context.CancelFunc
	watching sync.WaitGroup

	mu     sync.Mutex // guards what follows
	client rueidis.Client
	closed bool
}

// watch connects again, once, when the Redis at the other end has become a replica.
// A subscriber that finds only a replica stays: it hears what the master publishes.
func (i *redisIn) watch(ctx context.Context, server redis.Config) {
	tick := time.NewTicker(announce)
	defer tick.Stop()
	master := false // at the last look
	for {
		select {
		case <-i.open.Done():
			return
		case <-tick.C:
		}
		err := redis.Master(ctx, i.current())
		if err == nil {
			master = true
		}
		if !master || !errors.Is(err, redis.ErrReplica) {
			continue
		}
		if client, err := redis.ConnectOnce(server); err == nil {
			master = false
			i.replace(client)
		}
	}
}

func (i *redisIn) current() rueidis.Client {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.client
}

// replace ends what is heard over the old connection: it is heard again over the new one.
func (i *redisIn) replace(client rueidis.Client) {
	i.mu.Lock()
	old, closed := i.client, i.closed
	if closed {
		old = client
	} else {
		i.client = client
	}
	i.mu.Unlock()
	old.Close()
}

// unsubscribing is how long Redis may take for an UNSUBSCRIBE.
const unsubscribing = 2 * time.Second

// errUnsubscribed says that Redis ended a subscription.
var errUnsubscribed = errors.New("redis ended the subscription")

func (i *redisIn) Hear(ctx context.Context, c Channel, began func(), put func(text string)) error {
	client := i.current()
	name, kind := redisName(c), "subscribe"
	command := client.B().Subscribe().Channel(name).Build()
	end := client.B().Unsubscribe().Channel(name).Build()
	if i.sharded && !c.Original {
		kind = "ssubscribe"
		command = client.B().Ssubscribe().Channel(name).Build()
		end = client.B().Sunsubscribe().Channel(name).Build()
	}
	subscription, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	// Closing the client ends what it hears, unless it is just connecting again: then
	// the new connection outlives the first Close, and needs another.
	defer context.AfterFunc(i.open, func() { cancel(); client.Close() })()
	defer context.AfterFunc(ctx, func() {
		// The library forgets a subscription whose context is done, and Redis
		// goes on sending: it is told first. It may not let us, or not answer.
		time.AfterFunc(unsubscribing, cancel)
		client.Do(subscription, end)
	})()
	err := client.Receive(rueidis.WithOnSubscriptionHook(subscription, func(s rueidis.PubSubSubscription) {
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

func (i *redisIn) Close() {
	i.mu.Lock()
	client := i.client
	i.closed = true
	i.mu.Unlock()
	client.Close()
	i.quit()
	i.watching.Wait()
}
