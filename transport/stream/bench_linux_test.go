package stream

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

// BenchmarkBroadcast sweeps events of half a kilobyte to consumers on loopback
// sockets. Its rival writes each event to each consumer.
func BenchmarkBroadcast(b *testing.B) {
	for _, consumers := range []int{1, 100, 1000} {
		for _, events := range []int{1, 16, 64} {
			for _, way := range []string{"sweep", "writes"} {
				b.Run(fmt.Sprintf("consumers=%d/events=%d/way=%s", consumers, events, way), func(b *testing.B) {
					r := newRig(b, roomy(1), Options{Loops: 1, KeepAlive: -1})
					r.sink(consumers)
					r.awaitHerd(consumers)
					frame := appendFrame(nil, event{size: 500})
					r.inLoop(func(l *loop) {
						round := l.benchSweep
						if way == "writes" {
							round = l.benchWrites
						}
						b.ReportAllocs()
						for b.Loop() {
							round(b, frame, events)
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events*consumers), "ns/delivery")
					})
				})
			}
		}
	}
}

func (l *loop) benchSweep(b *testing.B, frame []byte, events int) {
	now := time.Now()
	at := l.broker.Tick(now)
	for range events {
		if err := l.broker.Publish(0, at, frame); err != nil {
			b.Fatal(err)
		}
	}
	for l.live.pending(l.broker) {
		l.sweep(&l.live, now, now)
	}
	l.settleHerd(b)
}

func (l *loop) benchWrites(b *testing.B, frame []byte, events int) {
	for range events {
		for _, c := range l.slots {
			for p := frame; len(p) > 0; {
				n, errno := send(int(c.fd), p)
				if p = p[n:]; errno == unix.EAGAIN {
					unix.Poll([]unix.PollFd{{Fd: c.fd, Events: unix.POLLOUT}}, 100)
				} else if errno != 0 {
					b.Fatal(errno)
				}
			}
		}
	}
}

// BenchmarkManySets measures from publishing an event to its receipt by the only
// consumer of its shard, beside others that asked for any of the other shards: all
// for the same ones, or each for his own choice of them.
func BenchmarkManySets(b *testing.B) {
	const shards, others = 16, 3000
	for _, sets := range []int{1, others} {
		b.Run(fmt.Sprintf("others=%d/sets=%d", others, sets), func(b *testing.B) {
			r := newRig(b, broker.Options{Shards: shards, MaxEvent: 16 << 10}, Options{Loops: 1, KeepAlive: -1})
			rest := r.broker.AllShards() &^ 1
			list := slices.Repeat([]broker.ShardSet{rest}, others)
			random := rand.New(rand.NewPCG(1, 2))
			for i := 0; sets > 1 && i < len(list); i++ {
				list[i] = rest & (broker.ShardSet(random.Uint64()) | 1<<(1+i%(shards-1)))
			}
			r.sinkOf(list)()
			w := r.watch(1)
			r.awaitHerd(others + 1)
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				r.publish(0, watchedSize)
				w.receive(b)
				took = append(took, time.Since(start))
			}
			reportLatency(b, took)
		})
	}
}

// BenchmarkResume measures the same for an up-to-date consumer, an event per
// millisecond, while 1,000 that had stalled all read again, each some 30 MB behind.
func BenchmarkResume(b *testing.B) {
	const stalled, backlog, fresh = 1000, 60_000, 1000
	var took []time.Duration
	for b.Loop() {
		r := newRig(b, broker.Options{MaxEvent: 16 << 10}, Options{Loops: 1, KeepAlive: -1})
		w := r.watch(1)
		resume := r.sinkOf(slices.Repeat([]broker.ShardSet{1}, stalled))
		for range backlog {
			r.publish(0, watchedSize)
			w.receive(b)
		}
		if lagging := r.pool.Stats().Lagging; lagging < stalled {
			b.Fatalf("%d consumers lag; want %d", lagging, stalled)
		}
		resume()
		published := make(chan time.Time, fresh)
		go func() {
			for range fresh {
				published <- time.Now()
				r.publish(0, watchedSize)
				time.Sleep(time.Millisecond)
			}
		}()
		for range fresh {
			w.receive(b)
			took = append(took, time.Since(<-published))
		}
		delivered := r.pool.Stats().Delivered
		b.ReportMetric(float64(delivered-backlog-fresh)/stalled, "caughtup-events")
	}
	reportLatency(b, took)
}

// watchedSize is the size of the events that a watched consumer gets, without their frame.
const watchedSize = 500

// A watched consumer reads its stream block by block.
type watched struct{ stream *bufio.Reader }

// watch joins one.
func (r *rig) watch(set broker.ShardSet) watched {
	r.t.Helper()
	ticket, err := r.pool.Admit(view.View{Shards: set})
	if err != nil {
		r.t.Fatal(err)
	}
	near, far := r.connect(0)
	r.t.Cleanup(func() { near.Close() })
	ticket.Serve(far, opening)
	w := watched{bufio.NewReader(near)}
	w.receive(r.t)
	return w
}

// receive waits for a chunk.
func (w watched) receive(t testing.TB) {
	head, err := w.stream.ReadSlice('\n')
	if err != nil {
		t.Fatal(err)
	}
	size, err := strconv.ParseUint(string(head[:len(head)-2]), 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.stream.Discard(int(size) + 2); err != nil {
		t.Fatal(err)
	}
}

func reportLatency(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for _, percent := range []int{50, 99, 100} {
		at := took[(len(took)-1)*percent/100]
		b.ReportMetric(at.Seconds()*1e3, fmt.Sprintf("p%d-ms", percent))
	}
}
