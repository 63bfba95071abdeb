package operate

import (
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/wire"
)

// dashboard tells the console what is going on.
type dashboard struct {
	health   *health
	ports    *ports
	broker   *broker.Broker
	relay    *relay.Relay // nil: there are no other instances
	pool     *stream.Pool // nil: there are no streams
	laggards *laggards
	refusals *refusal.Desk // nil: nothing was refused
	received func() uint64 // from players; nil: nobody counts
	version  string
	began    time.Time
}

// figures are what the console shows. Counts are since the start.
type figures struct {
	Now      int64    `json:"now"`     // Unix milliseconds
	Started  int64    `json:"started"` // of the process; another one is another life
	Version  string   `json:"version"`
	Ready    string   `json:"ready"` // as in /readyz
	Degraded []string `json:"degraded"`

	Received   uint64            `json:"received"`
	Published  uint64            `json:"published"`
	Delivered  uint64            `json:"delivered"`
	Skipped    uint64            `json:"skipped"`
	PassedOver uint64            `json:"passed_over"`
	BytesOut   uint64            `json:"bytes_out"`
	Rejected   map[string]uint64 `json:"rejected"`  // by reason
	Consumers  map[string]int64  `json:"consumers"` // by wire
	Lagging    int64             `json:"lagging"`
	Latency    latency           `json:"latency"`
	Ring       window            `json:"ring"`
	Relay      *otherInstances   `json:"relay"`

	PublicPorts  []string `json:"public_ports"`
	Streams      []listed `json:"streams,omitempty"`
	StreamsTotal int64    `json:"streams_total"`
}

// latency is a histogram: how many writes were at most as late as each bound, in seconds.
type latency struct {
	Bounds []float64 `json:"bounds"`
	Counts []uint64  `json:"counts"`
	Count  uint64    `json:"count"`
}

type window struct {
	Events    uint64  `json:"events"`
	Bytes     int64   `json:"bytes"`
	Capacity  int64   `json:"capacity_bytes"`
	OldestAge float64 `json:"oldest_age_s"`
}

type otherInstances struct {
	Carrier   string `json:"carrier"` // redis or nats
	Up        bool   `json:"up"`
	Origins   int    `json:"origins"`
	Published uint64 `json:"published"`
	Received  uint64 `json:"received"`
	Gaps      uint64 `json:"gaps"`
	Dropped   uint64 `json:"dropped"`
}

// Figures serves /console/stats. With ?streams=N it lists the N streams that lag most.
func (d dashboard) Figures(ctx *fasthttp.RequestCtx) {
	now := time.Now()
	f := d.figures(now)
	n := ctx.QueryArgs().GetUintOrZero("streams")
	front.ForgetQuery(ctx) // others may be waited for
	if n > 0 {
		f.Streams = d.laggards.most(n, now)
	}
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	reply.JSON(ctx, f)
}

func (d dashboard) figures(now time.Time) figures {
	f := figures{
		Now: now.UnixMilli(), Started: d.began.UnixMilli(), Version: d.version,
		Rejected: map[string]uint64{}, Consumers: map[string]int64{}, Latency: latency{Bounds: []float64{}, Counts: []uint64{}},
		PublicPorts: d.ports.all(), Degraded: []string{},
	}
	r, _ := d.health.readiness()
	f.Ready = r.Status
	f.Degraded = append(f.Degraded, r.Degraded...)
	if d.received != nil {
		f.Received = d.received()
	}
	if p := d.pool; p != nil { // before the ring: what was delivered was published
		f.add(p.Stats())
	}
	if d.refusals != nil {
		for reason := range refusal.Count {
			if n := d.refusals.Total(reason); n > 0 {
				f.Rejected[reason.String()] = n
			}
		}
	}
	b := d.broker.Stats()
	f.Published = b.Published
	f.Ring = window{b.Retained, b.Bytes, b.Window, b.OldestAge.Seconds()}
	if d.relay != nil {
		s := d.relay.Stats()
		f.Relay = &otherInstances{
			Carrier: d.relay.Carrier(), Up: s.Firehose.Up, Origins: s.Origins,
			Published: s.Firehose.Published, Received: s.Firehose.Received, Gaps: total(s.Gaps), Dropped: total(s.Firehose.Dropped),
		}
	}
	return f
}

func (f *figures) add(s stream.Stats) {
	f.Delivered += s.Delivered
	f.Skipped += s.Skipped
	f.PassedOver += s.PassedOver
	f.BytesOut += s.Bytes
	f.Lagging += s.Lagging
	for kind, w := range s.Wires {
		f.Consumers[wire.Kind(kind).String()] = w.Consumers
	}
	f.StreamsTotal += s.Consumers
	f.Latency.Count += s.Latency.Count
	for bound, n := range s.Latency.Buckets {
		at, found := slices.BinarySearch(f.Latency.Bounds, bound)
		if !found {
			f.Latency.Bounds = slices.Insert(f.Latency.Bounds, at, bound)
			f.Latency.Counts = slices.Insert(f.Latency.Counts, at, 0)
		}
		f.Latency.Counts[at] += n
	}
}

func total(by map[string]uint64) (n uint64) {
	for _, v := range by {
		n += v
	}
	return n
}
