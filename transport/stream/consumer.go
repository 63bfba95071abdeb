package stream

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"event-dispatcher/broker"
)

// A consumer is one open stream, owned by its loop.
type consumer struct {
	// Fixed after Serve.
	id     uint64
	addr   netip.AddrPort
	since  int64 // Unix nanoseconds; a time.Time takes three words
	shards broker.ShardSet
	joined uint64   // sum of the cursors' sequences when the stream opened
	conn   net.Conn // nil once the loop holds the descriptor itself
	link   *Link    // nil: nobody reads it
	then   func()   // what follows its end; may be nil

	// Owned by the loop.
	fd      int32
	slot    int32  // in the loop's table
	place   int32  // in herd.members, or -1 while it lags
	herd    *herd  // the one it belongs to, also while it lags
	lag     *lag   // nil in the herd
	skipped uint64 // events it was told it missed
}

// lag is the state of a consumer that is not up to date: it just joined, or its
// socket did not take everything.
type lag struct {
	cursors  []broker.Cursor // one per shard, in order of shards
	rest     []byte          // goes out before anything else (invariant 1)
	event    bool            // rest ends an event, which then counts as delivered
	at       broker.Tick     // when that event was published
	queued   bool            // in the loop's ready list
	leaving  bool            // ends after rest
	progress time.Time       // when the socket last took, or the peer acknowledged, a byte
	unacked  int             // bytes in the kernel at the last look
}

// stand puts c, a laggard, at a place in one of its shards.
func (c *consumer) stand(shard int, at broker.Cursor) {
	c.lag.cursors[slices.Index(c.herd.shards, shard)] = at
}

// info describes c, whose cursors are given, at a moment when the shards' logs end at heads.
func (c *consumer) info(cursors, heads []broker.Cursor, partial bool) ConsumerInfo {
	in := ConsumerInfo{
		ID: c.id, Addr: c.addr, Since: time.Unix(0, c.since), Skipped: c.skipped,
		Shards: slices.Collect(c.shards.All()), Herd: c.lag == nil,
	}
	passed := -c.joined
	for i, shard := range in.Shards {
		passed += cursors[i].Sequence()
		in.Lag += uint64(max(cursors[i].Behind(heads[shard]), 0))
	}
	in.Delivered = passed - c.skipped
	if partial { // the cursor has passed an event whose end is still to be written
		in.Delivered--
		in.Lag++
	}
	return in
}
