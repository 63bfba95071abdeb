//go:build unix

package relay

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

// overEachB runs a benchmark with each carrier.
func overEachB(b *testing.B, run func(*testing.B, engine)) {
	b.Run("carrier=redis", func(b *testing.B) { run(b, redistest.Start(b)) })
	b.Run("carrier=nats", func(b *testing.B) { run(b, natstest.Start(b)) })
}

// BenchmarkBrokerToBroker is the way of an event of 0.5 KB from one broker to
// another through a local server, as fast as it goes without loss.
func BenchmarkBrokerToBroker(b *testing.B) { overEachB(b, benchmarkBrokerToBroker) }

func benchmarkBrokerToBroker(b *testing.B, server engine) {
	from := newInstance(b, server.URL(), Options{}, nil)
	to := newInstance(b, server.URL(), Options{}, nil)
	up(b, from, to)
	e := event(1, 512)
	base := to.received.Load()
	b.SetBytes(512)
	b.ResetTimer()
	for k := range b.N {
		if k%64 == 0 {
			for from.relay.firehose.publisher.outbox.queued() > 10_000 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		from.post(e)
	}
	for to.received.Load()-base+to.skipped.Load() < uint64(b.N) {
		time.Sleep(100 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(to.skipped.Load()), "skipped")
	b.ReportMetric(float64(b.N)/float64(from.relay.Stats().Firehose.Messages), "events/envelope")
}

// BenchmarkLatency is the time from Offer to the other broker's consumer, at a
// fixed rate, from the intended time of sending.
func BenchmarkLatency(b *testing.B) { overEachB(b, benchmarkLatency) }

func benchmarkLatency(b *testing.B, server engine) {
	for _, rate := range []int{100, 5000, 20_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			n := 3 * rate
			due := make([]time.Time, n+1)
			late := make([]time.Duration, 0, n)
			from := newInstance(b, server.URL(), Options{}, nil)
			to := newInstance(b, server.URL(), Options{}, func(e []byte) {
				late = append(late, time.Since(due[numberOf(b, e)]))
			})
			up(b, from, to)
			for range b.N {
				late = late[:0]
				done := to.received.Load() + uint64(n)
				start := time.Now().Add(time.Millisecond)
				for k := range due {
					due[k] = start.Add(time.Duration(k) * time.Second / time.Duration(rate))
				}
				for k := 1; k <= n; k++ {
					time.Sleep(time.Until(due[k]))
					from.post(event(uint64(k), 512))
				}
				for to.received.Load() < done && to.skipped.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			slices.Sort(late)
			for _, p := range []struct {
				name string
				at   int
			}{{"p50-ms", len(late) / 2}, {"p99-ms", len(late) * 99 / 100}, {"p99.9-ms", len(late) * 999 / 1000}} {
				b.ReportMetric(late[p.at].Seconds()*1000, p.name)
			}
			b.ReportMetric(float64(to.skipped.Load()), "skipped")
		})
	}
}

// BenchmarkOffer is what a handler pays, whatever Redis does. The rival is the
// channel that it would be otherwise.
func BenchmarkOffer(b *testing.B) {
	e := event(1, 512)
	for _, state := range []string{"up", "stopped", "absent"} {
		b.Run("redis="+state, func(b *testing.B) {
			server := startRedis(b)
			i := newInstance(b, server.URL(), Options{}, nil)
			testkit.Eventually(b, "up", i.relay.Up)
			switch state {
			case "stopped":
				server.Stop()
				defer server.Continue()
			case "absent":
				server.Kill()
			}
			at := i.broker.Tick(time.Now())
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				i.relay.Offer(0, at, e)
			}
		})
	}
	b.Run("rival=channel", func(b *testing.B) {
		queue := make(chan []byte, 4096)
		var dropped atomic.Uint64
		go func() {
			for range queue {
			}
		}()
		defer close(queue)
		b.ReportAllocs()
		for b.Loop() {
			select {
			case queue <- append([]byte(nil), e...):
			default:
				dropped.Add(1)
			}
		}
	})
}

// BenchmarkReceive is what a receiver pays for an event of 0.5 KB.
func BenchmarkReceive(b *testing.B) {
	sink := sinkFunc(func(int, []byte) error { return nil })
	r := newReceiver(sink, 1)
	const n = 120
	m := appendHeader(nil, Origin{1}, 0, 0, n)
	e := event(1, 512)
	for range n {
		m = appendLength(m, len(e))
	}
	for range n {
		m = append(m, e...)
	}
	text := string(m)
	b.SetBytes(512)
	b.ReportAllocs()
	for k := 0; k < b.N; k += n {
		clear(r.origins.known)
		r.receive(arrival{text: text})
	}
}
