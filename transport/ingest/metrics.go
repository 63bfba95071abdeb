package ingest

import (
	"math/bits"
	"sync/atomic"

	"event-dispatcher/transport/ingest/cmcd"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
)

// counts are what is counted of players' events.
type counts struct {
	_        [64]byte
	received atomic.Uint64 // events that came as far as the handler
	_        [56]byte
	bytes    atomic.Uint64 // bytes of accepted events
	_        [56]byte

	// Per request of a batch or of a compressed body.
	sizes         [reports + 1]sizes
	rejected      [refusal.Count]atomic.Uint64
	before, after [inflate.Zstd + 1]atomic.Uint64 // bytes
	newerReports  atomic.Uint64
	losses        *cmcd.Losses // fixed after New
}

// sizes is a histogram of batches by their number of events: bucket i has those
// with less than 4 to the power of i.
type sizes struct {
	buckets [12]atomic.Uint64
	events  atomic.Uint64
}

// Received is how many events came, accepted or not.
func (c *counts) Received() uint64 { return c.received.Load() }

// Accepted counts the body of an event that was taken.
func (c *counts) Accepted(body int) { c.bytes.Add(uint64(body)) }

func (c *counts) batch(f form, events int) {
	s := &c.sizes[f]
	s.events.Add(uint64(events))
	s.buckets[min((bits.Len(uint(events))+1)/2, len(s.buckets)-1)].Add(1)
}

func (c *counts) inflated(coding inflate.Coding, before, after int) {
	c.before[coding].Add(uint64(before))
	c.after[coding].Add(uint64(after))
}

// batchReasons are why an event of a batch can be rejected.
var batchReasons = [...]refusal.Reason{
	refusal.InvalidJSON, refusal.ByteOrderMark, refusal.EmptyBody, refusal.InvalidUTF8, refusal.NotObject,
	refusal.TooLarge, refusal.Report, refusal.ClientLimit, refusal.Overloaded,
}

// Collect implements [metric.Source].
func (c *counts) Collect(to metric.Emitter) {
	to.Counter("events_received_total", "Events that players sent, accepted or not.", c.received.Load())
	to.Counter("accepted_bytes_total", "Bytes of accepted events.", c.bytes.Load())
	for f := lines; f <= reports; f++ {
		s := &c.sizes[f]
		buckets, n := map[float64]uint64{}, uint64(0)
		for i := range s.buckets {
			n += s.buckets[i].Load()
			if i < len(s.buckets)-1 {
				buckets[float64(uint64(1)<<(2*i)-1)] = n
			}
		}
		to.Histogram("batch_events", "Batches, by their number of events.", n, float64(s.events.Load()), buckets, "form", formNames[f])
	}
	for _, r := range batchReasons {
		to.Counter("batch_events_rejected_total", "Events of batches that were rejected, by reason.", c.rejected[r].Load(), "reason", r.String())
	}
	for coding := inflate.Gzip; coding <= inflate.Zstd; coding++ {
		to.Counter("compressed_bytes_total", "Bytes of compressed bodies as they came.", c.before[coding].Load(), "coding", coding.String())
		to.Counter("inflated_bytes_total", "Bytes of compressed bodies when inflated.", c.after[coding].Load(), "coding", coding.String())
	}
	to.Counter("cmcd_reports_lost_total", "CMCD reports that never came, by the sequence numbers of those that did.", c.losses.Lost())
	to.Counter("cmcd_reports_repeated_total", "CMCD reports that came twice, or too late to tell.", c.losses.Repeated())
	to.Counter("cmcd_reports_newer_total", "CMCD reports of a version that is not known here.", c.newerReports.Load())
}
