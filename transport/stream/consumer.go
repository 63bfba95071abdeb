package stream

import (
	"net"
	"net/netip"
	"slices"
	"time"
	"unique"

	"event-dispatcher/broker"
)

// A consumer is one open stream, owned by its loop.
type consumer struct {
	// Fixed after Serve.
	id     uint64
	addr   netip.AddrPort
	since  int64   // Unix nanoseconds; a time.Time takes three words
	want   *wanted // what it asked for
	joined uint64  // sum of the cursors' sequences when the stream opened
	link   *Link   // nil: nobody reads it
	then   func()  // what follows its end; may be nil
	left   func()  // its place is free again; may be nil
	who    unique.Handle[Who]

	// Owned by the loop's sockets.
	conn net.Conn        // nil once they hold what they need of it
	fd   int32           // on systems with epoll
	port *portableSocket // on others

	// Owned by the loop.
	slot    int32  // in the loop's table; -1 once it is closed
	place   int32  // in herd.members, or -1 while it lags
	herd    *herd  // the one it belongs to, also while it lags
	lag     *lag   // nil in the herd
	skipped uint64 // events it was told it missed

	// delivered counts the events of which the socket took the last byte. In the
	// herd it is that number less herd.delivered, so that nobody has to count for
	// each member.
	delivered uint64

	gzip *gzipped // of a compressed stream

	// mark is, in a conflated herd, the number of events, as a sum of sequences, that c
	// was given, told of, or passed over and counted for.
	mark uint64
}

// lag is the state of a consumer that is not up to date: it just joined, or its
// socket did not take everything.
type lag struct {
	cursors  []broker.Cursor // one per shard, in order of shards
	rest     []byte          // goes out before anything else (invariant 1)
	piece    *piece          // rest is of this one; nil: it is its own
	lent     time.Time       // when it got the piece,
	turn     uint64          // and in which turn of its loop
	event    bool            // rest ends an event, which then counts as delivered
	at       broker.Tick     // when that event was published
	share    *share          // rest is of this; then event does not count
	batch    int             // events that rest ends, all of them at once
	packed   bool            // reads its herd's blocks, and not the ring:
	block    *block          // rest is of this one,
	next     int             // number of the one after that
	passed   uint64          // sum of the sequences behind the last one that it took whole
	sum      checksum        // of the herd's stream, there
	queued   bool            // in one of the loop's queues
	alone    int             // bytes of the ring that were read for it alone, or what took as long
	former   bool            // was a member before; of a conflated herd, it left
	number   uint64          // when the event of this number was not held yet
	straight bool            // reads up to where its conflated herd stands, not up to the last release
	leaving  bool            // ends after rest,
	why      Reason          // for this reason
	progress time.Time       // when the socket last took, or the peer acknowledged, a byte
	backlog  int             // bytes that the peer had still to take at the last look
}

// stand puts c, a laggard, at a place in one of its shards.
func (c *consumer) stand(shard int, at broker.Cursor) {
	c.lag.cursors[c.want.place(shard)] = at
}

// info describes c at a moment when the shards' logs end at heads.
func (c *consumer) info(heads []broker.Cursor) ConsumerInfo {
	in := ConsumerInfo{
		ID: c.id, Addr: c.addr, Since: time.Unix(0, c.since), Skipped: c.skipped, Delivered: c.delivered,
		Wire: c.want.view.Format.Kind.String(), View: c.want.view, Shards: slices.Clone(c.want.shards), Herd: c.lag == nil,
	}
	in.describe(c)
	partial := false
	var cursors []broker.Cursor
	if c.lag == nil {
		cursors = c.herd.cursors()
		in.Delivered += c.herd.delivered
	} else {
		cursors, partial = c.lag.cursors, c.lag.event
	}
	passed := -c.joined
	for i, shard := range in.Shards {
		passed += cursors[i].Sequence()
		in.Lag += uint64(max(cursors[i].Behind(heads[shard]), 0))
	}
	if p := c.herd.packer; p != nil {
		var at uint64 // where it stands
		switch {
		case c.lag == nil:
			if at = p.passed; p.plain == 0 {
				at = c.herd.passed()
			}
			in.Skipped += p.skips
		case c.lag.packed:
			at = c.lag.passed
		default:
			at = passed + c.joined - uint64(c.lag.batch)
		}
		in.Lag += passed + c.joined - at
		passed = at - c.joined
	}
	if partial { // the cursor has passed an event whose end is still to be written
		passed--
		in.Lag++
	}
	held := uint64(0)
	if f := c.herd.conflation; f != nil && c.lag == nil {
		held = f.waiting(c)
	} else if c.lag != nil && c.lag.share != nil {
		held = uint64(len(c.lag.share.ends) - c.lag.share.taken)
	}
	passed -= held
	in.Lag += held
	in.PassedOver = passed - in.Delivered - in.Skipped
	return in
}
