package broker

import "time"

// Stats is one snapshot of all shards.
type Stats struct {
	Published uint64        // events given a sequence number, those of Skip included
	Retained  uint64        // of these, how many a slow reader could still get
	Bytes     int64         // bytes of the retained events
	Window    int64         // bytes that the window can retain; the same for the broker's life
	Allocated int64         // memory that segments hold, spares included
	Exhausted uint64        // publishes refused because no segment could be recycled
	OldestAge time.Duration // age of the oldest retained event; 0 if there is none
}

// Stats takes the snapshot; it stops nobody and costs microseconds per shard.
func (b *Broker) Stats() Stats {
	sum := Stats{Window: b.window}
	for _, r := range b.rings {
		s := r.Stats()
		sum.Published += s.Published
		sum.Retained += s.Retained
		sum.Bytes += s.Bytes
		sum.Allocated += s.Allocated
		sum.Exhausted += s.Exhausted
		if s.Anything {
			now := b.Tick(time.Now()) // after the event's, so that no age is negative
			sum.OldestAge = max(sum.OldestAge, now.Since(s.Oldest).Duration())
		}
	}
	return sum
}
