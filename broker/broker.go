package broker

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
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
	Run    = ring.Run
)

// Errors of [Broker.Publish]; nothing was stored.
var (
	ErrTooLarge  = ring.ErrTooLarge  // larger than MaxEvent, or empty
	ErrExhausted = ring.ErrExhausted // no memory can be recycled right now
)

// Bounds of [Options].
const (
	MaxShards     = 64                       // one bit each in a [ShardSet]
	MaxReaders    = wake.MaxWaiters          // that may park at the [Broker.Gate]
	MaxEventBytes = ring.MaxSegmentBytes / 2 // a shard holds a few of the largest events at least
)

// Options tunes a [Broker]. The zero value is what production runs, on every
// machine the same: nothing here depends on the number of processors.
type Options struct {
	// Shards is the number of independent logs. More let more producers
	// publish at the same moment, and consumers divide the stream; order holds
	// within a shard only. Zero means 1, which takes several million events a
	// second: instances that share events need the same number.
	Shards int

	// Bytes is the memory that all shards' segments may take together,
	// spares and index planes included. Zero means 64 MiB. [Stats.Window]
	// tells how much of it retains events.
	Bytes int

	// MaxEvent is the size in bytes of the largest event to make room for,
	// frame included. Zero means 256 KiB and 256 bytes.
	MaxEvent int

	// Readers is how many readers may hold a batch at the same time, at most
	// MaxReaders. Segments become smaller for many of them, down to the
	// largest event, so that there are more segments than readers. Where
	// that is not possible, all readers at once on different old segments can
	// have Publish fail for a moment with ErrExhausted. Zero means 4.
	Readers int

	// ShardKey is the top-level JSON member whose value picks the shard.
	// Empty: the producer's connection picks it.
	ShardKey string
}

// A Broker is the logs of all shards. Its methods may be called by any goroutine.
type Broker struct {
	rings  []*ring.Ring
	gate   wake.Gate
	key    string
	start  time.Time // ticks count from here
	epoch  uint64
	window int64
}

// New returns an empty broker, or an error that says which option cannot be met.
func New(o Options) (*Broker, error) {
	o = o.withDefaults()
	size, err := ringSize(o)
	if err != nil {
		return nil, err
	}
	b := &Broker{key: o.ShardKey, start: time.Now(), epoch: randomEpoch()}
	b.window = int64(o.Shards) * int64(size.Window) * int64(size.SegmentBytes)
	for range o.Shards {
		b.rings = append(b.rings, ring.New(size))
	}
	return b, nil
}

func (o Options) withDefaults() Options {
	if o.Shards == 0 {
		o.Shards = 1
	}
	if o.Bytes == 0 {
		o.Bytes = 64 << 20
	}
	if o.MaxEvent == 0 {
		o.MaxEvent = 256<<10 + 256
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	return o
}

// ringSize splits the byte budget into segments and checks all options that are
// numbers.
//
// A segment is a 64th of the budget, or less if there are many readers, but holds
// the largest event. About an eighth of the segments are spares, fewer if there are
// few readers: the window is nearly the same on every machine.
func ringSize(o Options) (ring.Options, error) {
	const (
		minWindow  = 4
		publishers = 2 // that replace a segment at the same time
	)
	switch {
	case o.Shards < 1 || o.Shards > MaxShards:
		return ring.Options{}, fmt.Errorf("shards: %d is not between 1 and %d", o.Shards, MaxShards)
	case o.MaxEvent < 1 || o.MaxEvent > MaxEventBytes:
		return ring.Options{}, fmt.Errorf("max event: %d bytes is not between 1 and %d", o.MaxEvent, MaxEventBytes)
	case o.Readers < 1 || o.Readers > MaxReaders:
		return ring.Options{}, fmt.Errorf("readers: %d is not between 1 and %d", o.Readers, MaxReaders)
	}
	budget := o.Bytes / o.Shards
	data := min(budget/max(64, 2*(o.Readers+publishers)), ring.MaxSegmentBytes)
	data = max(data, o.MaxEvent, 4)
	segment := ring.SegmentMemory(data)
	segments := budget / segment
	if segments > ring.MaxSegments {
		return ring.Options{}, fmt.Errorf("ring bytes: %d is more than this many shards (%d) can use; want at most %d",
			o.Bytes, o.Shards, o.Shards*ring.MaxSegments*segment)
	}
	spares := publishers + min(o.Readers, max(segments/8, 1))
	if segments < minWindow+spares {
		return ring.Options{}, fmt.Errorf("ring bytes: %d is too little for this many shards (%d) and the largest event (%d bytes); want at least %d",
			o.Bytes, o.Shards, o.MaxEvent, o.Shards*segment*(minWindow+publishers+1))
	}
	return ring.Options{
		SegmentBytes: data, MaxEvent: o.MaxEvent, Window: segments - spares, Spares: spares,
	}, nil
}

func randomEpoch() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
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

// PublishRun appends the events of a run to a shard, in order, and wakes parked
// readers once; see [ring.Ring.PublishRun]. It returns how many it published.
func (b *Broker) PublishRun(shard int, at Tick, events Run) (int, error) {
	n, err := b.rings[shard].PublishRun(at, events)
	if n > 0 {
		b.gate.Wake()
	}
	return n, err
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
func (b *Broker) Tick(t time.Time) Tick { return Tick(max(t.Sub(b.start), 0) >> ring.TickShift) }

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

// Epoch is a random number of this broker: a sequence that a consumer remembers
// means something only together with it.
func (b *Broker) Epoch() uint64 { return b.epoch }

// Find returns a cursor of one shard that goes on at a sequence, and false if this
// broker's readers cannot have come so far; see [ring.Ring.Find].
func (b *Broker) Find(shard int, seq uint64) (Cursor, bool) { return b.rings[shard].Find(seq) }

// Read reads from one shard; see [ring.Ring.Read].
func (b *Broker) Read(shard int, c *Cursor, batch *Batch, maxBytes int) bool {
	return b.rings[shard].Read(c, batch, maxBytes)
}

// Pending reports whether Read would find something; see [ring.Ring.Pending].
func (b *Broker) Pending(shard int, c Cursor) bool { return b.rings[shard].Pending(c) }
