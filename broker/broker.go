package broker

import (
	"fmt"
	"hash/crc32"
	"math/bits"
	"runtime"
	"time"

	"event-dispatcher/broker/jsonkey"
	"event-dispatcher/broker/ring"
	"event-dispatcher/broker/wake"
)

// Names that a reader of the broker needs from the ring.
type (
	Cursor = ring.Cursor
	Batch  = ring.Batch
	Tick   = ring.Tick
)

// Errors of [Broker.Publish]; nothing was stored.
var (
	ErrTooLarge  = ring.ErrTooLarge  // larger than MaxEvent, or empty
	ErrExhausted = ring.ErrExhausted // no memory can be recycled right now
)

// MaxShards is the most shards a broker can have: one bit each in a [ShardSet].
const MaxShards = 64

// Options tunes a [Broker]. The zero value is what production runs.
type Options struct {
	// Shards is the number of independent logs. Zero means 1 on up to 8
	// cores, then an eighth of the cores rounded down to a power of two, or
	// fewer if Bytes are too few for that many.
	Shards int

	// Bytes is the memory that all shards' segments may take together,
	// spares and index planes included. Zero means 64 MiB.
	Bytes int

	// Lazy has that memory allocated on first use. For a single publisher: see
	// [ring.Options].
	Lazy bool

	// MaxEvent is the size in bytes of the largest event to make room for,
	// frame included. Zero means 256 KiB and 256 bytes.
	MaxEvent int

	// Readers is how many readers may hold a batch at the same time. Zero
	// means 4.
	Readers int

	// ShardKey is the top-level JSON member whose value picks the shard.
	// Empty: the producer's connection picks it.
	ShardKey string
}

// A Broker is the logs of all shards. Its methods may be called by any goroutine.
type Broker struct {
	rings []*ring.Ring
	gate  wake.Gate
	key   string
	epoch time.Time // ticks count from here
}

// New returns an empty broker, or an error that says which option cannot be met.
func New(o Options) (*Broker, error) {
	o = o.withDefaults(runtime.NumCPU())
	size, err := ringSize(o)
	if err != nil {
		return nil, err
	}
	b := &Broker{key: o.ShardKey, epoch: time.Now()}
	for range o.Shards {
		b.rings = append(b.rings, ring.New(size))
	}
	return b, nil
}

func (o Options) withDefaults(cores int) Options {
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = 256<<10 + 256
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Shards == 0 {
		// A large machine must not refuse to start with what suits a small one.
		for o.Shards = defaultShards(cores); o.Shards > 1; o.Shards /= 2 {
			if _, err := ringSize(o); err == nil {
				break
			}
		}
	}
	return o
}

func defaultShards(cores int) int {
	if cores <= 8 {
		return 1
	}
	return min(1<<(bits.Len(uint(cores/8))-1), MaxShards)
}

// ringSize splits the byte budget: as many segments as fit, each at least four
// times the largest event (the ring's rule) and otherwise a 64th of the budget.
// It checks all options that are numbers.
func ringSize(o Options) (ring.Options, error) {
	const (
		minWindow = 4
		maxEvent  = ring.MaxSegmentBytes / 4
	)
	switch {
	case o.Shards < 1 || o.Shards > MaxShards:
		return ring.Options{}, fmt.Errorf("shards: %d is not between 1 and %d", o.Shards, MaxShards)
	case o.MaxEvent < 1 || o.MaxEvent > maxEvent:
		return ring.Options{}, fmt.Errorf("max event: %d bytes is not between 1 and %d", o.MaxEvent, maxEvent)
	case o.Readers < 1 || o.Readers > ring.MaxSegments/2:
		return ring.Options{}, fmt.Errorf("readers: %d is not between 1 and %d", o.Readers, ring.MaxSegments/2)
	}
	spares := o.Readers + 2 // two for publishers that replace a segment
	budget := o.Bytes / o.Shards
	data := max(4*o.MaxEvent, min(budget/64, ring.MaxSegmentBytes))
	segment := ring.SegmentMemory(data)
	window := min(budget/segment, ring.MaxSegments) - spares
	if window < minWindow {
		return ring.Options{}, fmt.Errorf("ring bytes: %d is too little for this many shards (%d) and readers (%d) and the largest event (%d bytes); want at least %d",
			o.Bytes, o.Shards, o.Readers, o.MaxEvent, o.Shards*segment*(minWindow+spares))
	}
	return ring.Options{SegmentBytes: data, Window: window, Spares: spares, Lazy: o.Lazy}, nil
}

// Publish appends one event, the concatenation of parts, to a shard and wakes
// parked readers. The parts are copied. at is [Broker.Tick] of the time of
// publishing; the caller usually has one at hand.
func (b *Broker) Publish(shard int, at Tick, parts ...[]byte) error {
	if err := b.rings[shard].Publish(at, parts...); err != nil {
		return err
	}
	b.gate.Wake() // after the event can be seen: see package wake
	return nil
}

// Skip tells the readers of a shard that n events were lost before they came
// here. It is for rare use: each call ends a segment.
func (b *Broker) Skip(shard int, n uint64) error {
	if err := b.rings[shard].Skip(n); err != nil {
		return err
	}
	b.gate.Wake()
	return nil
}

// The hash of a shard key is the same in every process, so that a key has the
// same shard on all instances.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Pick chooses the shard of an event: by its shard key if the broker has one and
// the event has that member, otherwise by the producer's connection.
func (b *Broker) Pick(event []byte, conn uint64) int {
	if len(b.rings) == 1 {
		return 0
	}
	if b.key != "" {
		if value, ok := jsonkey.Find(event, b.key); ok {
			return int(crc32.Checksum(value, castagnoli) % uint32(len(b.rings)))
		}
	}
	return int(conn % uint64(len(b.rings)))
}

// ShardKey is the member whose value picks the shard; empty: the connection does.
func (b *Broker) ShardKey() string { return b.key }

// Shards is the number of shards.
func (b *Broker) Shards() int { return len(b.rings) }

// MaxEvent is the size in bytes of the largest event that Publish takes.
func (b *Broker) MaxEvent() int { return b.rings[0].MaxEvent() }

// Gate is where readers park.
func (b *Broker) Gate() *wake.Gate { return &b.gate }

// Tick turns a time with a monotonic reading into a tick of this broker.
func (b *Broker) Tick(t time.Time) Tick { return Tick(max(t.Sub(b.epoch), 0) >> ring.TickShift) }

// Head returns a cursor per shard of the set, in order of shards, behind
// everything published so far.
func (b *Broker) Head(set ShardSet) []Cursor {
	cursors := make([]Cursor, 0, set.Len())
	for shard := range set.All() {
		cursors = append(cursors, b.rings[shard].Head())
	}
	return cursors
}

// HeadOf returns a cursor behind everything published to one shard so far.
func (b *Broker) HeadOf(shard int) Cursor { return b.rings[shard].Head() }

// Read reads from one shard; see [ring.Ring.Read].
func (b *Broker) Read(shard int, c *Cursor, batch *Batch, maxBytes int) bool {
	return b.rings[shard].Read(c, batch, maxBytes)
}

// Pending reports whether Read would find something; see [ring.Ring.Pending].
func (b *Broker) Pending(shard int, c Cursor) bool { return b.rings[shard].Pending(c) }
