package stream

import (
	"time"

	"event-dispatcher/broker"
)

// A herd is the consumers of one loop and one set of shards that are up to date.
type herd struct {
	shards  []int // in order
	members []*consumer
	lagging int       // consumers that belong to it but are not up to date
	written time.Time // when the members last got bytes
}

// A front is where a loop's herds stand in the log of one shard: all of them at
// the same place, so that however many sets of shards consumers asked for, an
// event is read once, and for those who want it.
type front struct {
	cursor broker.Cursor // stands still while there are no herds
	herds  []*herd       // whose set has the shard
}

// join makes c, a laggard, a member.
func (h *herd) join(c *consumer) {
	h.lagging--
	c.place = int32(len(h.members))
	h.members = append(h.members, c)
}

// leave makes c no member any more.
func (h *herd) leave(c *consumer) {
	last := h.members[len(h.members)-1]
	h.members[c.place] = last
	last.place = c.place
	h.members[len(h.members)-1] = nil
	h.members = h.members[:len(h.members)-1]
	c.place = -1
}

// deserted reports whether nobody needs the herd.
func (h *herd) deserted() bool { return len(h.members) == 0 && h.lagging == 0 }
