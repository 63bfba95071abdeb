package relay

import (
	"context"
	"slices"
	"time"

	"event-dispatcher/broker/redis"

	"go.uber.org/zap"
)

// send publishes what is pending and repeats it until there is an answer to all
// of it, it is too old, or ctx is done.
func (p *publisher) send(ctx context.Context) {
	var pause redis.Backoff
	for len(p.pending) > 0 && ctx.Err() == nil {
		if p.parted {
			pause.Wait(ctx)
			err := p.gather(ctx)
			p.complain(ctx, err)
			p.parted = err != nil
		} else {
			err := p.attempt()
			p.complain(ctx, err)
			p.parted = err != nil
			if len(p.pending) > 0 {
				p.failures.Add(1)
			}
		}
		p.forgetOld()
	}
}

// forgetOld drops messages that began to wait too long ago. They may have arrived
// all the same, if only the answer was lost, so they are counted by themselves: the
// others miss at least the dropped events, and at most those plus these.
func (p *publisher) forgetOld() {
	p.pending = slices.DeleteFunc(p.pending, func(m message) bool {
		old := p.isOld(m.at)
		if old {
			p.unanswered.Add(uint64(m.events))
		}
		return old
	})
}

// attempt sends what is pending once, and keeps pending what must be sent again.
func (p *publisher) attempt() error {
	p.parcels = p.parcels[:0]
	for _, m := range p.pending {
		p.parcels = append(p.parcels, Parcel{Channel: p.channel(m.shard), Text: m.text})
	}
	failed := p.publish()
	taken := -1 // the last one that the carrier took, or will never take
	for i := range p.parcels {
		if err := p.parcels[i].Err; err == nil || err == ErrTooLarge {
			taken = i
		}
	}
	for i, m := range p.pending[:taken+1] {
		p.feeds[m.shard].note(p.parcels[i])
		if p.parcels[i].Err != nil {
			// Later ones went out already, or will, and show the others a gap.
			p.rejected.Add(uint64(m.events))
			continue
		}
		p.receivers.Store(int64(p.parcels[i].Heard))
		p.delay.Store(int64(max(p.now().Since(m.at).Duration(), 0)))
		p.published.Add(uint64(m.events))
		p.messages.Add(1)
		p.bytes.Add(uint64(len(m.text)))
	}
	p.pending = append(p.pending[:0], p.pending[taken+1:]...)
	return failed
}

// publish sends the parcels, and returns an error of any.
func (p *publisher) publish() (failed error) {
	p.sendingFrom.Store(time.Now().UnixNano())
	p.out.Publish(p.parcels)
	p.sendingFrom.Store(0)
	for i := range p.parcels {
		if err := p.parcels[i].Err; err != nil {
			failed = err
		}
	}
	return failed
}

// gather waits, after an outage, until as many listen as before it. Where nobody
// knows how many do, it gives them settle.
func (p *publisher) gather(ctx context.Context) error {
	if p.silence == nil {
		return p.out.Check()
	}
	m := p.pending[0]
	before := p.feeds[m.shard].heard
	patience := p.others
	if before == Unheard {
		patience = min(patience, settle)
	}
	for end := time.Now().Add(patience); ; {
		p.parcels = append(p.parcels[:0], Parcel{Channel: p.channel(m.shard), Text: p.silence(m.shard, m.first)})
		err := p.publish()
		if err != nil || before != Unheard && p.parcels[0].Heard >= before || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookPause):
		}
	}
}

// complain logs that the carrier went, and that it came back, until ctx is done.
func (p *publisher) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	switch up := err == nil; {
	case p.up.Swap(up) == up && up:
	case up:
		p.log.Info("relay: publishing", zap.String("events", p.name))
	default:
		p.log.Warn("relay: cannot publish", zap.String("events", p.name), redis.Error(err))
	}
}
