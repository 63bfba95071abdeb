package stream

import (
	"bytes"
	"compress/gzip"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

func TestChecksumOfAPartIsKnownWithoutReadingIt(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 1))
	data := make([]byte, 100_000)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	for range 300 {
		from, to := random.IntN(len(data)), random.IntN(len(data))
		if from > to {
			from, to = to, from
		}
		var whole, at, own checksum
		whole.write(data[:from])
		at = whole
		whole.write(data[from:to])
		own.write([]byte("its own beginning"))
		own.add(at, whole)
		want := crc32.ChecksumIEEE(append([]byte("its own beginning"), data[from:to]...))
		if own.crc != want || own.size != uint64(17+to-from) {
			t.Fatalf("checksum with bytes %d to %d = %08x of %d; want %08x of %d", from, to, own.crc, own.size, want, 17+to-from)
		}
	}
}

func TestStoredBlocksAreGzip(t *testing.T) {
	t.Parallel()
	f := wire.Format{Encoding: wire.Gzip, Unchunked: true}
	for _, size := range []int{0, 1, 65535, 65536, 200_000} {
		var z gzipped
		text := strings.Repeat("x", size)
		b := z.appendPrivate([]byte(gzipHead), f, []byte(text))
		b = z.appendLast(b, f, []byte(text))
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text+text {
			t.Errorf("two times %d bytes: %d bytes, %v; want them", size, len(got), err)
		}
	}
}

// Compressed streams end with the right checksum, whenever their consumers entered,
// lagged, or were lapped.
func TestCompressedStreamsEndCleanly(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour
		for _, bo := range []broker.Options{roomy(2), tiny(2)} {
			r := newRig(t, bo, o)
			v := newViews(t, r.broker)
			stop := make(chan struct{})
			var publishing sync.WaitGroup
			publishing.Go(func() {
				repeat(stop, func(i int) {
					r.publish(i%2, i%150)
					time.Sleep(50 * time.Microsecond)
				})
			})
			var all, stalled []*client
			for i := range 40 {
				j := joinOptions{view: v.of([]string{"encoding=gzip", "encoding=gzip&wire=ndjson", "encoding=gzip&where=size>=75"}[i%3])}
				if i%2 == 0 {
					j.view = unchunked(j.view)
				}
				if i%5 == 0 {
					j.buffer, j.stalled = 8<<10, true
				}
				c := r.join(j)
				all = append(all, c)
				if j.stalled {
					stalled = append(stalled, c)
				}
				time.Sleep(5 * time.Millisecond)
			}
			for _, c := range stalled {
				c.resume()
			}
			close(stop)
			publishing.Wait()
			r.settleViews(all...)
			r.drain(0, 20*time.Millisecond)
			for _, c := range all {
				c.wantEnd(t)
				if got := c.books(); got.retries != 1 {
					t.Errorf("%d farewells; want 1", got.retries)
				}
			}
		}
	})
}

// A laggard goes on with the blocks that it lacks; one for which they are kept no more
// is told of the exact number, and enters anew.
func TestLaggardOfACompressedStreamIsToldWhatItMissed(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour
		r := newRig(t, roomy(1), o)
		j := joinOptions{view: view.View{Format: wire.Format{Encoding: wire.Gzip}}}
		healthy := r.join(j)
		j.buffer, j.stalled = 8<<10, true
		a, b := r.join(j), r.join(j)
		random := rand.New(rand.NewPCG(5, 5))
		publish := func(bytes int) { // of what cannot be compressed well
			for ; bytes > 0; bytes -= 8000 {
				r.publishNoise(0, random, 4000)
			}
			r.settleViews(healthy)
		}
		publish(600_000)
		a.resume()
		r.settleViews(a)
		if got := a.books(); got.skipped != 0 {
			t.Errorf("skipped %d of what is kept; want 0", got.skipped)
		}
		publish(4 * packedBytes)
		b.resume()
		r.settleViews(a, b)
		if got := b.books(); got.skipped == 0 || got.received == 0 || got.notices == 0 {
			t.Errorf("received %d, skipped %d in %d notices; want some of both, and to be told", got.received, got.skipped, got.notices)
		}
		r.drain(0, 0)
		for _, c := range []*client{healthy, a, b} {
			c.wantEnd(t)
		}
	})
}

// Events of the same herd are compressed once, and well.
func TestOneWindowForAll(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		plain := r.join(joinOptions{})
		var all []*client
		for range 5 {
			all = append(all, r.join(joinOptions{view: view.View{Format: wire.Format{Encoding: wire.Gzip}}}))
		}
		r.settleViews(append(all, plain)...) // they have entered
		for range 2000 {
			r.publish(0, 100)
		}
		r.settleViews(append(all, plain)...)
		for _, c := range all {
			if got, most := c.books().bytes, plain.books().bytes/5; got > most {
				t.Errorf("%d bytes; want %d at most, a fifth of the plain stream's", got, most)
			}
		}
	})
}

func TestCompressedStreamsHaveALimit(t *testing.T) {
	t.Parallel()
	const most = 3
	r := newRig(t, roomy(8), Options{Loops: 1, KeepAlive: -1, MaxCompressed: most})
	gzip := wire.Format{Encoding: wire.Gzip}
	var tickets []Ticket
	for set := range broker.ShardSet(most) {
		ticket, err := r.pool.Admit(view.View{Shards: set + 1, Format: gzip})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if _, err := r.pool.Admit(view.View{Shards: 200, Format: gzip}); err != ErrViews {
		t.Errorf("Admit() of one more = %v; want ErrViews", err)
	}
	for _, ticket := range tickets {
		ticket.Forget()
	}
	ticket, err := r.pool.Admit(view.View{Shards: 200, Format: gzip})
	if err != nil || r.pool.views.chosen != 1 || r.pool.views.packed != 1 {
		t.Errorf("Admit() = %v, %d views count, %d are compressed; want nil, 1, 1", err, r.pool.views.chosen, r.pool.views.packed)
	}
	ticket.Forget()
}

// A stream that is ended from outside, while its herd's compressor holds events, ends
// where its own blocks do.
func TestCompressedStreamThatIsDismissedEndsCleanly(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		late := view.View{Shards: 1, Format: wire.Format{Encoding: wire.Gzip}, Pace: view.Pace{MaxDelay: time.Hour}}
		ticket, err := r.pool.Admit(late)
		if err != nil {
			t.Fatal(err)
		}
		var end func(Reason)
		c := r.serve(ticket.EndedBy(func(ends func(Reason)) { end = ends }), joinOptions{})
		r.settleViews(c)
		r.publish(0, 10)
		eventually(t, func() (wrong string) {
			r.inLoop(func(l *loop) {
				if len(l.packed) != 1 || l.packed[0].packer.plain == 0 {
					wrong = "the compressor holds nothing"
				}
			})
			return wrong
		})
		end(ReasonExpired)
		c.wantEnd(t)
		if got := c.books(); got.received != 0 {
			t.Errorf("received %d; want 0: the event waits", got.received)
		}
	})
}

// However many batches are in a block, it keeps few of the times at which they were published.
func TestBlocksKeepFewTimes(t *testing.T) {
	var p packer
	const batches = 1000
	for i := range batches {
		p.run(broker.Tick(i), 2)
	}
	n := 0
	for _, r := range p.runs {
		n += r.n
	}
	b := block{bytes: make([]byte, 20), runs: p.runs}
	if n != 2*batches || b.size() > 1<<10 || b.size() < 16*len(b.runs)+len(b.bytes) {
		t.Errorf("%d events in %d runs, and the block takes %d bytes; want %d events, and less than a KiB", n, len(p.runs), b.size(), 2*batches)
	}
}
