package ring_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"event-dispatcher/broker/ring"
)

// The benchmarks run on a window of 8 MiB: it fits the caches less than one
// event does, as in production, but its pages are soon all touched. warm does
// that before the clock starts, so that no page fault is measured.
var benchOptions = ring.Options{SegmentBytes: 1 << 20, Window: 8}

const benchBytes = 512

// A log is what the rivals have in common.
type log interface {
	publish(event []byte)
}

type segmented struct{ *ring.Ring }

func (s segmented) publish(event []byte) {
	if err := s.Publish(0, event); err != nil {
		panic(err)
	}
}

func newSegmented() log { return segmented{ring.New(benchOptions)} }

// warm publishes twice the window, so that every segment has its memory.
func warm(l log, size int) {
	event := make([]byte, size)
	for range 2 * benchOptions.Window * benchOptions.SegmentBytes / size {
		l.publish(event)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{128, 512, 1024, 16 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l, event := newSegmented(), make([]byte, size)
			r := l.(segmented).Ring
			warm(l, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Publish(0, event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublishWindow shows what the size of the window costs: 64 MiB is what
// production has by default. Of first=true every page is touched for the first
// time, as in a process that has just started.
func BenchmarkPublishWindow(b *testing.B) {
	event := make([]byte, benchBytes)
	for _, window := range []int{8, 64} {
		b.Run(fmt.Sprintf("MiB=%d/first=false", window), func(b *testing.B) {
			r := ring.New(ring.Options{Window: window})
			for range 2 * window << 20 / benchBytes {
				segmented{r}.publish(event)
			}
			b.SetBytes(benchBytes)
			for b.Loop() {
				segmented{r}.publish(event)
			}
		})
	}
	b.Run("MiB=64/first=true", func(b *testing.B) {
		const events = 64 << 20 / benchBytes
		b.SetBytes(events * benchBytes)
		for b.Loop() {
			r := ring.New(ring.Options{})
			for range events {
				segmented{r}.publish(event)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
	})
}

// BenchmarkPublishFrame is a publish as the stream's frames make it: three parts.
func BenchmarkPublishFrame(b *testing.B) {
	l := newSegmented()
	r := l.(segmented).Ring
	event, head, tail := make([]byte, benchBytes-8), []byte("data: "), []byte("\n\n")
	warm(l, benchBytes)
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Publish(0, head, event, tail); err != nil {
			b.Fatal(err)
		}
	}
}

var rivals = []struct {
	name string
	new  func() log
}{
	{"ring", newSegmented},
	{"mutex", newMutexRing},
	{"pointers", newPointerRing},
	{"channels", newChannels},
}

// BenchmarkPublishParallel has one publisher per GOMAXPROCS, spread over shards.
// The rivals have no readers here; the channels have one consumer, which reads.
func BenchmarkPublishParallel(b *testing.B) {
	for _, rival := range rivals {
		for _, shards := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("rival=%s/shards=%d", rival.name, shards), func(b *testing.B) {
				logs := make([]log, shards)
				for i := range logs {
					logs[i] = rival.new()
					if c, ok := logs[i].(*channels); ok {
						defer c.consume(1)()
					}
					warm(logs[i], benchBytes)
				}
				var publishers atomic.Uint64
				b.SetBytes(benchBytes)
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					mine := logs[publishers.Add(1)%uint64(shards)]
					event := make([]byte, benchBytes)
					for pb.Next() {
						mine.publish(event)
					}
				})
			})
		}
	}
}

// BenchmarkPublishWithReaders is one publisher beside readers that take whatever
// there is and yield when there is nothing. That is harder on the publisher than
// a loop is, which sleeps when it has read everything.
func BenchmarkPublishWithReaders(b *testing.B) {
	for _, readers := range []int{0, 1, 4} {
		for _, rival := range rivals {
			b.Run(fmt.Sprintf("rival=%s/readers=%d", rival.name, readers), func(b *testing.B) {
				l := rival.new()
				stop := l.(interface{ consume(int) func() }).consume(readers)
				defer stop()
				warm(l, benchBytes)
				event := make([]byte, benchBytes)
				b.SetBytes(benchBytes)
				b.ReportAllocs()
				for b.Loop() {
					l.publish(event)
				}
			})
		}
	}
}

// BenchmarkRead is the cost of scanning the index plane: a reader takes what the
// window holds, in batches of 64 KiB, and looks at no bytes.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{128, 512} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			r := ring.New(benchOptions)
			start := r.Head()
			event := make([]byte, size)
			const events = 8000
			for range events {
				if err := r.Publish(0, event); err != nil {
					b.Fatal(err)
				}
			}
			var batch ring.Batch
			total := 0
			b.ReportAllocs()
			for b.Loop() {
				for c := start; r.Read(&c, &batch, 64<<10); batch.Release() {
					total += batch.Events
				}
			}
			if total != events*b.N {
				b.Fatalf("read %d events, want %d", total, events*b.N)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/event")
		})
	}
}

// consume starts n readers; what it returns stops them. They copy the bytes only
// because the rivals' readers have to.
func (s segmented) consume(n int) func() {
	return spin(n, func() func() bool {
		c, batch, out := s.Head(), ring.Batch{}, make([]byte, 0, 128<<10)
		return func() bool {
			found := s.Read(&c, &batch, 64<<10)
			out = append(out[:0], batch.Bytes...)
			batch.Release()
			return found
		}
	})
}

// spin runs n goroutines that call their own read until stopped, and yield
// whenever it finds nothing.
func spin(n int, reader func() (read func() bool)) (stop func()) {
	var stopped atomic.Bool
	var running sync.WaitGroup
	for range n {
		read := reader()
		running.Go(func() {
			for !stopped.Load() {
				if !read() {
					runtime.Gosched()
				}
			}
		})
	}
	return func() { stopped.Store(true); running.Wait() }
}
