package ingest

import (
	"fmt"
	"net"
	"testing"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// shardOf is where the next event of b is, and its JSON.
func shardOf(t *testing.T, b *broker.Broker, cursors []broker.Cursor) (shard int, event string) {
	t.Helper()
	var batch broker.Batch
	for shard := range cursors {
		if b.Read(shard, &cursors[shard], &batch, 1<<20) {
			defer batch.Release()
			return shard, string(wire.JSON(batch.Event(0)))
		}
	}
	t.Fatal("no event in any shard; want one")
	return 0, ""
}

// Whatever the key, an event has the shard that the instances get which it is
// relayed to: these know only the event as it was published.
func TestEventHasTheSameShardOnAllInstances(t *testing.T) {
	t.Parallel()
	const shards = 8
	for _, key := range []string{"user_ip", "session_id"} {
		var at [2]*broker.Broker
		for i := range at {
			b, err := broker.New(broker.Options{Shards: shards, ShardKey: key, Bytes: 64 << 20, MaxEvent: 4096})
			if err != nil {
				t.Fatal(err)
			}
			at[i] = b
		}
		here, there := at[0], at[1]
		players := newPlayers(here)
		cursors, relayed := here.Head(here.AllShards()), there.Head(there.AllShards())
		seen := map[int]bool{}
		for i := range 40 {
			for _, body := range []string{`{}`, ` { } `, `{"session_id":"%d"}`, `{"user_ip":"192.0.2.1","a":%d}`, `{"a":{"user_ip":%d}} `} {
				if len(body) > 5 {
					body = fmt.Sprintf(body, i)
				}
				var req fasthttp.Request
				req.Header.SetMethod("POST")
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
				req.SetBodyString(body)
				var ctx fasthttp.RequestCtx
				ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
				players.PostObject(&ctx)
				if status := ctx.Response.StatusCode(); status != 200 {
					t.Fatalf("POST %s = %d; want 200", body, status)
				}
				shard, event := shardOf(t, here, cursors)
				if err := (Relayed{there}).Deliver(shard, []byte(event)); err != nil {
					t.Fatalf("Deliver(%d, %s) = %v; want nil", shard, event, err)
				}
				other, _ := shardOf(t, there, relayed)
				if shard != other {
					t.Errorf("key %s: %s is in shard %d here and in %d there; want one", key, event, shard, other)
				}
				seen[shard] = true
			}
		}
		if len(seen) < 2 {
			t.Errorf("key %s: all events are in shards %v; want them spread", key, seen)
		}
	}
}
