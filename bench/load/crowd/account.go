package crowd

import (
	"fmt"
	"math"
	"time"
)

// Account is that of all consumers of a spec together.
type Account struct {
	Spec        string  `json:"spec"`
	Consumers   int     `json:"consumers"`
	Published   uint64  `json:"published"` // to all of them together
	Received    uint64  `json:"received"`
	Skipped     uint64  `json:"skipped"`
	PassedOver  uint64  `json:"passed_over"`
	Unexplained uint64  `json:"unexplained"`
	Doubled     uint64  `json:"doubled"`
	Repeated    uint64  `json:"repeated"` // again after a return, because no id had come behind them
	Disorder    uint64  `json:"out_of_order"`
	Wrong       uint64  `json:"wrong"` // not asked for, or changed
	Returns     uint64  `json:"returns"`
	Strangers   uint64  `json:"could_not_resume"`
	Share       float64 `json:"sampled_share,omitempty"` // of sessions
}

// Faults counts what must not happen.
func (a *Account) Faults() uint64 {
	return a.Unexplained + a.Doubled + a.Disorder + a.Wrong + a.Strangers
}

// Close ends all streams and closes the accounts, in the order of the specs. The
// error says why a stream ended before its time.
func (c *Crowd) Close() ([]Account, error) {
	c.cancel()
	c.wg.Wait()
	var err error
	if failure := c.failure.Load(); failure != nil {
		err = fmt.Errorf("crowd: a stream ended: %w", *failure)
	}
	var accounts []Account
	for _, s := range c.opt.Specs {
		a := Account{Spec: s.Text}
		for _, one := range c.all {
			if one.spec == s {
				one.settle(&a)
			}
		}
		accounts = append(accounts, a)
	}
	return accounts, err
}

// settle adds the consumer's account to that of its spec.
func (c *consumer) settle(a *Account) {
	var published, owed, missing uint64
	last := make(map[string]uint64)     // of each session, of what passes
	sessions := make(map[string]uint64) // events that pass
	for _, source := range c.crowd.opt.Sources {
		published += source.Count()
		for n := uint64(1); n <= source.Count(); n++ {
			f := source.Facts(n)
			if !c.spec.passes(f, c.session) {
				continue
			}
			sessions[f.Session]++
			last[f.Session] = n
		}
	}
	chosen := 0
	for session, n := range sessions {
		got := c.perSession[session]
		if c.spec.sample > 0 && got == 0 {
			continue // not in the sample: the share is checked below
		}
		chosen++
		owed += n
		switch {
		case c.spec.every == 0:
			missing += n - min(n, got)
		case c.lastOfSession[session] != last[session]:
			missing++
		case got > uint64(time.Since(c.started)/c.spec.every)+2:
			a.Wrong += got // more than one per interval
		}
	}
	unexplained := missing - min(missing, c.skipped)
	// The server cannot have skipped what was received, nor more than was published.
	if c.received+c.skipped > published {
		unexplained += c.received + c.skipped - published
	}
	if s := c.spec.sample; s > 0 && len(sessions) > 0 {
		n := float64(len(sessions))
		share := float64(chosen) / n
		a.Share += (share - a.Share) / float64(a.Consumers+1)
		if c.skipped == 0 && math.Abs(share-s) > 6*math.Sqrt(s*(1-s)/n)+1/n {
			a.Wrong++
		}
	}
	a.Consumers++
	a.Published += published
	a.Received += c.received
	a.Skipped += c.skipped
	a.PassedOver += published - min(published, c.received+c.skipped+unexplained)
	a.Unexplained += unexplained
	a.Doubled += c.doubled
	a.Repeated += c.repeated
	a.Disorder += c.disorder
	a.Wrong += c.wrong
	a.Returns += c.returns
	a.Strangers += c.strangers
}
