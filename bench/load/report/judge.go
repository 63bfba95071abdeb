package report

import (
	"fmt"
	"time"
)

// Judge draws the conclusions that a reader would otherwise have to: whether
// the promise held, whether the rate was reached, whether the figures are the
// server's or the generator's.
func (r *Report) Judge() {
	r.judgeLedger()
	r.judgeCrowd()
	r.judgeRate()
	r.judgeGenerator()
}

func (r *Report) judgeLedger() {
	l := r.Ledger
	if l == nil {
		return
	}
	if l.Unexplained > 0 {
		r.Fail(fmt.Errorf("ledger: %d deliveries are unexplained, %d of them on one stream", l.Unexplained, l.Worst))
	}
	if n := l.Faults.Total(); n > 0 {
		r.Fail(fmt.Errorf("ledger: %d faults: %+v", n, l.Faults))
	}
	if l.Faults.Framing > 0 {
		r.Warn("streams that only count may have been lapped too often to tell; -sample -1 reads every notice")
	}
	if l.Inferred > 0 {
		r.Warn("%d of the skipped events are inferred from the length of notices on streams that only count; -sample -1 reads them all", l.Inferred)
	}
	if l.Unread > 0 {
		r.Warn("%d streams stalled for ever, or were only counted by bytes, and are not balanced", l.Unread)
	}
}

func (r *Report) judgeCrowd() {
	for _, a := range r.Crowd {
		if a.Faults() > 0 {
			r.Fail(fmt.Errorf("crowd: %s: unexplained %d, doubled %d, out of order %d, wrong %d, could not resume %d",
				a.Spec, a.Unexplained, a.Doubled, a.Disorder, a.Wrong, a.Strangers))
		}
	}
	if p := r.Posts; p != nil && len(r.Crowd) > 0 && p.Rejected+p.Unknown > 0 {
		r.Warn("%d events were not accepted, or nobody knows: the crowd's accounts are balanced as if they had been", p.Rejected+p.Unknown)
	}
}

// reached is the share of the asked rate that counts as reaching it.
const reached = 0.99

func (r *Report) judgeRate() {
	p, c := r.Posts, r.Config
	if p == nil {
		return
	}
	if p.Rejected > 0 {
		r.Warn("%d events were rejected: %v", p.Rejected, p.Statuses)
	}
	if r.Partial || c.Rate.Max {
		return
	}
	// One event more or less may fall into the window.
	if p.Published < reached*c.Rate.PerSecond-1/r.Seconds {
		r.Fail(fmt.Errorf("the rate was not reached: %.0f events/s asked, %.0f/s published, %d due but not published", c.Rate.PerSecond, p.Published, p.Unsent))
	}
}

func (r *Report) judgeGenerator() {
	const (
		full      = 0.95 // of a core or of the machine
		lateLimit = time.Millisecond
	)
	cpu := r.CPU
	if cpu.Cores == 0 {
		return // the window was never reached
	}
	if cpu.BusyThread >= full {
		r.LowerBound = true
		r.Warn("a thread of the generator used %.2f of a core: figures are a lower bound of what the server can do", cpu.BusyThread)
	}
	if cpu.Machine >= full*float64(cpu.Cores) {
		r.LowerBound = true
		r.Warn("the machine was full (%.2f of %d cores, %.2f for the generator): figures are a lower bound, latencies include waiting for a core",
			cpu.Machine, cpu.Cores, cpu.Generator)
	}
	if p := r.Posts; p != nil && p.Late.P99 > float64(lateLimit.Microseconds()) {
		r.LowerBound = true
		r.Warn("events were published late, p99 %.2f ms, because players waited for a core: latencies include that", p.Late.P99/1000)
	}
	if others := cpu.Machine - cpu.Server - cpu.Generator; cpu.Server > 0 && others > 0.1*float64(cpu.Cores) {
		r.Warn("other processes and the kernel used %.2f cores meanwhile: figures are noisy", others)
	}
}
