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
	cursors  []broker.Cursor // one per shard, in the herd's order
	rest     []byte          // goes out before anything else (invariant 1)
	event    bool            // rest ends an event, which then counts as delivered
	at       broker.Tick     // when that event was published
	queued   bool            // in the loop's ready list
	leaving  bool            // ends after rest
	progress time.Time       // when the socket last took, or the peer acknowledged, a byte
	unacked  int             // bytes in the kernel at the last look
}

// A herd is the consumers of one loop and one set of shards that are up to date.
type herd struct {
	shards  []int
	cursors []broker.Cursor // one per shard
	members []*consumer
	written time.Time // when the members last got bytes
}

func newHerd(b *broker.Broker, set broker.ShardSet, now time.Time) *herd {
	return &herd{shards: slices.Collect(set.All()), cursors: b.Head(set), written: now}
}

// join makes c a member.
func (h *herd) join(c *consumer) {
	c.place = int32(len(h.members))
	h.members = append(h.members, c)
}

// leave makes c a laggard or forgets it.
func (h *herd) leave(c *consumer) {
	last := h.members[len(h.members)-1]
	h.members[c.place] = last
	last.place = c.place
	h.members[len(h.members)-1] = nil
	h.members = h.members[:len(h.members)-1]
	c.place = -1
}

// caughtUp reports whether cursors stand where the herd does.
func (h *herd) caughtUp(cursors []broker.Cursor) bool {
	for i := range cursors {
		if cursors[i].Behind(h.cursors[i]) != 0 {
			return false
		}
	}
	return true
}

// info describes c, whose cursors are given, at a moment when the logs end at heads.
func (c *consumer) info(cursors, heads []broker.Cursor, partial bool) ConsumerInfo {
	in := ConsumerInfo{
		ID: c.id, Addr: c.addr, Since: time.Unix(0, c.since), Skipped: c.skipped,
		Shards: slices.Collect(c.shards.All()), Herd: c.lag == nil,
	}
	passed := -c.joined
	for i := range cursors {
		passed += cursors[i].Sequence()
		in.Lag += uint64(max(cursors[i].Behind(heads[i]), 0))
	}
	in.Delivered = passed - c.skipped
	if partial { // the cursor has passed an event whose end is still to be written
		in.Delivered--
		in.Lag++
	}
	return in
}
