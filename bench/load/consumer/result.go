package consumer

import (
	"event-dispatcher/bench/load/ledger"
	"event-dispatcher/bench/load/sock"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Stats is how far things are, cheaply.
type Stats struct {
	Opened   int64
	Ended    int64 // by the server
	Events   float64
	Bytes    uint64
	LastNews int64
}

// Stats may be called at any time. Events counted as bytes are converted with
// the mean length of the frames that were parsed, which is exact while all are
// alike.
func (c *Consumers) Stats() Stats {
	var s Stats
	var parsed, framed, discarded uint64
	for _, l := range c.loops {
		s.Opened += l.opened.Load()
		s.Ended += l.endedN.Load()
		parsed += l.events.Load()
		framed += l.framed.Load()
		discarded += l.discarded.Load()
		s.LastNews = max(s.LastNews, l.lastNews.Load())
	}
	s.Opened -= c.returns.Load()
	s.Bytes = framed + discarded
	s.Events = float64(parsed)
	if parsed > 0 {
		s.Events += float64(discarded) * float64(parsed) / float64(framed)
	}
	return s
}

// Result is what consumers saw.
type Result struct {
	Latency *hdrhistogram.Histogram // ns from intended time to receipt, sampled
	Entries []*ledger.Entry
	Faults  Faults
	Ended   map[Role]int // streams ended by the server
	Skipped map[Role]uint64
	EndErr  string // why the first of them ended
	Unread  int    // streams that stall for ever or are compressed: nobody knows
	Returns int64  // streams that left and came back
	Err     error
}

// Close ends all streams and balances their accounts against final.
func (c *Consumers) Close(final ledger.Totals) Result {
	c.stopped.Store(true)
	c.wg.Wait()
	r := Result{Ended: make(map[Role]int), Skipped: make(map[Role]uint64), Returns: c.returns.Load()}
	if err := c.returnErr.Load(); err != nil {
		r.Err = *err
	}
	like := c.complete()
	var closed []*stream
	for _, l := range c.loops {
		if l.latency != nil {
			r.Latency = l.latency
		}
		if l.err != nil {
			r.Err = l.err
		}
		for _, s := range l.streams {
			if s.endErr != nil {
				r.Ended[s.role]++
				if r.EndErr == "" {
					r.EndErr = s.endErr.Error()
				}
			}
			if s.state != ended {
				sock.Close(s.fd)
			}
			if s.paused || s.role == Opaque {
				r.Unread++
				continue
			}
			if s.state == opening {
				continue
			}
			if s.alone(c.opt.Uniform) {
				s.close()
			} else {
				s.closeLike(like)
			}
			s.entry.Settle(final)
			r.Entries = append(r.Entries, &s.entry)
			closed = append(closed, s)
		}
		l.poller.Close()
	}
	ledger.Tighten(r.Entries)
	for _, s := range closed {
		if c.opt.Uniform {
			s.infer()
		}
		r.Skipped[s.role] += s.entry.Skipped
		r.Faults.Add(s.faults)
	}
	return r
}

// complete returns a stream that parsed every event from the first to the
// last, if there is one.
func (c *Consumers) complete() *stream {
	for _, l := range c.loops {
		for _, s := range l.streams {
			if s.role != Counting && s.state == reading && !s.paused && s.entry.Skipped == 0 &&
				s.faults.Total() == 0 && s.entry.FromTheStart() {
				return s
			}
		}
	}
	return nil
}
