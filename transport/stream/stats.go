package stream

import (
	"sync/atomic"

	"event-dispatcher/broker"
	"event-dispatcher/transport/wire"
)

// Upper bounds of the histograms' buckets.
var (
	latencySeconds = []float64{1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 10}
	lagEvents      = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144}
)

// A histogram counts observations in buckets. One goroutine observes, any may
// take a snapshot.
type histogram struct {
	bounds []uint64 // upper bounds, in the unit of the observations
	scale  float64  // units per observation in the snapshot
	counts []atomic.Uint64
	sum    atomic.Uint64
}

func newHistogram(bounds []float64, scale float64) *histogram {
	h := &histogram{scale: scale, counts: make([]atomic.Uint64, len(bounds)+1)}
	for _, b := range bounds {
		h.bounds = append(h.bounds, uint64(b/scale))
	}
	return h
}

// observe counts v n times.
func (h *histogram) observe(v, n uint64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(n)
	h.sum.Add(v * n)
}

// A Histogram is a snapshot: cumulative counts by upper bound, as Prometheus
// wants them.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64
}

func (h *histogram) addTo(sum *Histogram, bounds []float64) {
	if sum.Buckets == nil {
		sum.Buckets = make(map[float64]uint64, len(bounds))
	}
	cumulative := uint64(0)
	for i := range h.counts {
		cumulative += h.counts[i].Load()
		if i < len(bounds) {
			sum.Buckets[bounds[i]] += cumulative
		}
	}
	sum.Count += cumulative
	sum.Sum += float64(h.sum.Load()) * h.scale
}

// kinds is how many wires there are.
const kinds = int(wire.WebSocket) + 1

// wireCounters are what a loop counts by the wire of its consumers.
type wireCounters struct {
	delivered atomic.Uint64 // events of which the socket took the last byte
	bytes     atomic.Uint64 // bytes that the socket took, of any kind
}

// counters are what a loop counts. The loop writes, anyone may read.
type counters struct {
	wires      [kinds]wireCounters
	skipped    atomic.Uint64 // events that consumers were told they missed
	passedOver atomic.Uint64 // events that consumers did not want
	sweeps     atomic.Uint64 // sweeps that found events
	lagging    atomic.Int64  // consumers that are not in their herd
	kept       atomic.Int64  // bytes of pieces, and on their way to sockets that goroutines write to
	held       atomic.Int64  // bytes of conflated herds
	latency    *histogram    // ticks from publish to the end of the write
	lag        *histogram    // events a consumer was behind when it was written to
	_          [64]byte      // loops do not share a line
}

func newCounters() *counters {
	tick := broker.Tick(1).Duration().Seconds()
	return &counters{latency: newHistogram(latencySeconds, tick), lag: newHistogram(lagEvents, 1)}
}

// delivery counts a take that n consumers took in full.
func (s *counters) delivery(kind wire.Kind, b *broker.Batch, t *take, n int, now broker.Tick) {
	if n == 0 || t.events == 0 {
		return
	}
	s.wires[kind].delivered.Add(uint64(t.events) * uint64(n))
	s.wires[kind].bytes.Add(uint64(len(t.bytes)) * uint64(n))
	s.lag.observe(uint64(t.events), uint64(n))
	s.latencies(b, t, t.events, uint64(n), now)
}

// latencySamples is how many events of a batch are looked at for their latency.
// Looking at each took 17 % of the CPU when 1,000 consumers lagged.
const latencySamples = 16

// latencies counts the first events of a take, n times each. Of many events, runs
// of neighbours count as old as the oldest of them.
func (s *counters) latencies(b *broker.Batch, t *take, events int, n uint64, now broker.Tick) {
	run := (events + latencySamples - 1) / latencySamples
	for i := 0; i < events; i += run {
		count := min(run, events-i)
		s.latency.observe(uint64(now.Since(b.At(t.index(i)))), n*uint64(count))
	}
}

// Stats is one snapshot of a pool.
type Stats struct {
	Consumers  int64
	Lagging    int64 // of these, how many are not up to date
	Delivered  uint64
	Skipped    uint64
	PassedOver uint64
	Bytes      uint64
	Sweeps     uint64
	Views      int   // different ones that consumers have
	Kept       int64 // bytes that are kept for laggards and conflated views
	Compressed int   // of these, compressed ones
	Closed     [reasons]uint64
	Latency    Histogram // seconds from publish to the end of the write
	Lag        Histogram // events behind, at each write
	Wires      [kinds]WireStats
}

// WireStats is the part of the consumers of one wire, by [wire.Kind].
type WireStats struct {
	Consumers int64
	Delivered uint64
	Bytes     uint64
}

// Consumers is how many consumers there are, those included that are being admitted.
func (p *Pool) Consumers() int64 { return p.consumers.Load() }

// Stats sums over the loops.
func (p *Pool) Stats() Stats {
	st := Stats{Consumers: p.consumers.Load()}
	st.Views, st.Compressed = p.views.len()
	for i := range p.closed {
		st.Closed[i] = p.closed[i].Load()
	}
	for i := range st.Wires {
		st.Wires[i].Consumers = p.kinds[i].Load()
	}
	for _, l := range p.loops {
		c := l.stats
		st.Lagging += c.lagging.Load()
		st.Kept += c.kept.Load() + c.held.Load()
		st.Skipped += c.skipped.Load()
		st.PassedOver += c.passedOver.Load()
		st.Sweeps += c.sweeps.Load()
		for i := range st.Wires {
			delivered, bytes := c.wires[i].delivered.Load(), c.wires[i].bytes.Load()
			st.Wires[i].Delivered += delivered
			st.Wires[i].Bytes += bytes
			st.Delivered += delivered
			st.Bytes += bytes
		}
		c.latency.addTo(&st.Latency, latencySeconds)
		c.lag.addTo(&st.Lag, lagEvents)
	}
	return st
}
