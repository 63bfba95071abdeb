package stream

import (
	"time"
	"unsafe"

	"event-dispatcher/broker"
)

const (
	// packDelay is how long events wait for others to be compressed with, unless the
	// consumer accepts more.
	packDelay = 20 * time.Millisecond
	// packBytes is how many bytes of events are enough for a block.
	packBytes = 32 << 10
	// packTurnBytes is how much is compressed in a turn. What more there is goes into the blocks as
	// it is, so that many compressed views do not hold up others.
	packTurnBytes = 1 << 20
	// packedBytes is how many bytes of blocks are kept for laggards of a herd.
	packedBytes = 2 << 20
)

// A packer compresses what a herd gets, once for all its members. It has one window,
// which goes on from block to block, so that a block can only be read by who has read
// those before, back to a keyframe: a block that begins with an empty window. One is
// made when somebody enters, and only between two blocks, so that those who come within
// the delay enter together.
//
// A consumer that is no member reads the ring alone, and is sent that uncompressed within the
// compressed stream: a newcomer until the next block, which is little, and who resumes
// until it is up to date. A laggard goes on with the blocks that it lacks while they are
// kept.
type packer struct {
	*compressor
	clean bool // the next block is a keyframe
	delay time.Duration

	// What is in the compressor since the last block.
	plain   int // bytes
	events  int
	skipped uint64
	runs    []tickRun
	due     time.Time

	sum checksum // of all that went into the compressor

	// At the end of the last block.
	closed  checksum // sum
	passed  uint64   // sum of the sequences
	skips   uint64   // that members were told of
	next    int      // number of the next block
	blocks  []*block // the last ones, if there are laggards
	kept    int      // bytes that they take
	lagging int      // laggards that read blocks

	waiting []*consumer // who wants to enter
}

// A block is a part of a herd's compressed stream. It does not change.
type block struct {
	bytes   []byte // as they go out
	events  int
	skipped uint64
	over    uint64 // events passed over
	passed  uint64 // sum of the sequences, behind it
	sum     checksum
	runs    []tickRun
	piece   *piece // has bytes; nil: no laggard does
}

// A tickRun is n events that count as published at the same time.
type tickRun struct {
	at broker.Tick
	n  int
}

func newPacker(h *herd) *packer {
	return &packer{compressor: newCompressor(), clean: true, delay: max(packDelay, h.want.view.Pace.MaxDelay)}
}

func (p *packer) take(b []byte, now time.Time) {
	if p.plain == 0 {
		p.due = now.Add(p.delay)
	}
	p.plain += len(b)
	p.clean = false
	p.sum.write(b)
	p.write(b)
}

// pack takes what a herd gets of a batch of a shard into its compressor.
func (l *loop) pack(h *herd, shard int, b *broker.Batch, picked []int32, now time.Time) {
	p := h.packer
	if !h.hasReaders() {
		return // a consumer that enters has read it alone
	}
	t := l.build(h, shard, b, picked, nil)
	l.shaping.take(l.turn, h.group.shaper.Read(), shapeBytes)
	if t.events == 0 {
		return
	}
	switch {
	case !l.packing.take(l.turn, len(t.bytes), packTurnBytes):
		p.hurry()
	case p.plain == 0:
		p.calm()
	}
	p.take(t.bytes, now)
	p.events += t.events
	p.run(b.At(t.index(0)), t.events)
	if p.plain >= packBytes {
		l.closeBlock(h, now)
	}
}

// run notes when events were published. Beyond some they count as published with those before
// them.
func (p *packer) run(at broker.Tick, events int) {
	const most = 16
	if n := len(p.runs); n > 0 && (n == most || p.runs[n-1].at == at) {
		p.runs[n-1].n += events
		return
	}
	p.runs = append(p.runs, tickRun{at, events})
}

// packSkipped takes the notice of what a herd was lapped by into its compressor.
func (l *loop) packSkipped(h *herd, skipped uint64, now time.Time) {
	p := h.packer
	if !h.hasReaders() {
		return
	}
	p.take(h.format.AppendSkipped(nil, skipped), now)
	p.skipped += skipped
}

// closeBlocks ends the blocks that are due.
func (l *loop) closeBlocks(now time.Time) {
	for _, h := range l.packed {
		l.passOver(h)
		if p := h.packer; p.plain > 0 && (l.drainer != nil || !now.Before(p.due)) {
			l.closeBlock(h, now)
		} else if p.plain == 0 && len(p.waiting) > 0 {
			l.enterWaiting(p)
		}
	}
}

// passOver counts the events of which nothing is in the compressor.
func (l *loop) passOver(h *herd) {
	p := h.packer
	if n := h.passed() - p.passed; n > 0 && p.plain == 0 {
		l.over += n * uint64(len(h.members))
		p.passed += n
	}
}

// closeBlock ends a block, and writes it to the members.
func (l *loop) closeBlock(h *herd, now time.Time) {
	p := h.packer
	passed := h.passed()
	b := &block{
		bytes: frameBlock(nil, h.format, p.block(p.events)), events: p.events, skipped: p.skipped, passed: passed, sum: p.sum, runs: p.runs,
		over: passed - p.passed - uint64(p.events) - p.skipped,
	}
	p.closed = p.sum
	p.next++
	whole := 0
	for k := len(h.members) - 1; k >= 0; k-- {
		c := h.members[k]
		n, ok := l.write(c, b.bytes)
		switch {
		case !ok:
		case n == len(b.bytes):
			whole++
		default:
			l.stats.wires[h.format.Kind].bytes.Add(uint64(n))
			l.makeLaggard(c, nil)
			c.lag.block, c.lag.next = b, p.next
			c.lag.packed, c.lag.passed, c.lag.sum = true, p.passed, b.sum
			p.lagging++
			l.lend(c, b.asPiece(), n)
		}
	}
	h.written = now
	h.delivered += uint64(b.events)
	p.skips += b.skipped
	p.passed = passed
	p.plain, p.events, p.skipped, p.runs = 0, 0, 0, nil
	l.stats.wires[h.format.Kind].bytes.Add(uint64(whole * len(b.bytes)))
	l.countBlock(h, b, uint64(whole))
	if p.lagging > 0 {
		p.blocks = append(p.blocks, b)
		p.kept += b.size()
	} else {
		clear(p.blocks)
		p.blocks, p.kept = p.blocks[:0], 0
	}
	for p.kept > packedBytes {
		p.kept -= p.blocks[0].size()
		p.blocks[0] = nil
		p.blocks = p.blocks[1:]
	}
	l.enterWaiting(p)
}

// size is what a block takes: with few events that is more than its bytes.
func (b *block) size() int {
	return int(unsafe.Sizeof(*b)) + cap(b.bytes) + cap(b.runs)*int(unsafe.Sizeof(tickRun{}))
}

// asPiece is the block for laggards to keep.
func (b *block) asPiece() *piece {
	if b.piece == nil || b.piece.keepers == 0 {
		b.piece = &piece{bytes: b.bytes, beside: b.size() - len(b.bytes)}
	}
	return b.piece
}

// countBlock counts a block that n consumers took whole.
func (l *loop) countBlock(h *herd, b *block, n uint64) {
	if n == 0 {
		return
	}
	l.stats.wires[h.format.Kind].delivered.Add(uint64(b.events) * n)
	l.stats.skipped.Add(b.skipped * n)
	l.over += b.over * n
	if b.events > 0 {
		l.stats.lag.observe(uint64(b.events), n)
	}
	tick := l.broker.Tick(time.Now())
	for _, r := range b.runs {
		l.stats.latency.observe(uint64(tick.Since(r.at)), uint64(r.n)*n)
	}
}

// enterWaiting gives those a turn who want to enter.
func (l *loop) enterWaiting(p *packer) {
	for i, c := range p.waiting {
		if c.slot >= 0 && c.lag != nil && c.lag.queued {
			l.queue(c)
		}
		p.waiting[i] = nil
	}
	p.waiting = p.waiting[:0]
}

// enter makes c, which has read all that its herd has, a member, at a keyframe. It
// reports false while the compressor holds something.
func (l *loop) enter(c *consumer) bool {
	h, p := c.herd, c.herd.packer
	if p.plain > 0 {
		return false
	}
	if !p.clean {
		p.forget()
		p.clean = true
	}
	l.passOver(h)
	c.gzip.entered = p.sum
	c.skipped -= p.skips
	h.join(c)
	return true
}

// tookBlock counts the block that a laggard has taken to its end.
func (l *loop) tookBlock(c *consumer) {
	g := c.lag
	b := g.block
	g.block = nil
	// What was passed over between blocks is not in the block's number.
	l.over += b.passed - g.passed - uint64(b.events) - b.skipped - b.over
	g.passed, g.sum = b.passed, b.sum
	c.delivered += uint64(b.events)
	c.skipped += b.skipped
	l.countBlock(c.herd, b, 1)
}

// nextBlock is where a laggard goes on that stands behind a block. It reports true if
// c is up to date, and a member again.
func (l *loop) nextBlock(c *consumer) bool {
	g, h, p := c.lag, c.herd, c.herd.packer
	back := p.next - g.next
	if back == 0 {
		l.passOver(h)
		l.over += p.passed - g.passed
		p.lagging--
		c.skipped -= p.skips
		h.join(c)
		return true
	}
	if back <= len(p.blocks) {
		g.block = p.blocks[len(p.blocks)-back]
		g.next++
		l.lend(c, g.block.asPiece(), 0)
		return false
	}
	// What it lacks is kept no more. It goes on alone from where the herd is now.
	l.settle(c, g.sum)
	missed := h.passed() - g.passed
	g.packed, g.cursors = false, h.cursors()
	p.lagging--
	c.skipped += missed
	l.stats.skipped.Add(missed)
	g.rest = c.gzip.appendPrivate(nil, h.format, h.format.AppendSkipped(nil, missed))
	return false
}

// settle takes what c got of its herd's stream, up to a place, into its own checksum.
func (l *loop) settle(c *consumer, at checksum) {
	c.gzip.sum.add(c.gzip.entered, at)
	c.gzip.entered = at
}
