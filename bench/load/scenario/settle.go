package scenario

import (
	"errors"
	"fmt"
	"time"

	"event-dispatcher/bench/load/consumer"
	"event-dispatcher/bench/load/report"
)

// errPlayers says that the players ended before their time; why, they say
// themselves.
var errPlayers = errors.New("players ended early")

// settle stops the players, lets everybody read to the end, and balances the
// accounts. After a failure it does not wait for what may never come.
func (r *run) settle(failed bool) error {
	var errs []error
	rep := r.report
	if r.players != nil {
		r.players.Stop()
		result, err := r.players.Result()
		if err != nil {
			errs = append(errs, err)
		}
		if result.ConnectionError != "" {
			rep.Warn("connections of players failed, last: %s", result.ConnectionError)
		}
		if result.Refusal != "" {
			rep.Warn("first answer that was not 200: %s", result.Refusal)
		}
		if rep.Posts == nil {
			rep.Posts = new(report.Posts)
		}
		rep.Posts.Statuses, rep.Posts.Unsent = result.Statuses, result.Unsent
		rep.Posts.Latency, rep.Posts.Late = report.NewLatency(result.Latency), report.NewLatency(result.Late)
	}
	r.consumers.Release()
	if r.crowd != nil {
		r.crowd.Stay()
	}
	if !failed && len(errs) == 0 {
		r.untilQuiet()
	}
	if r.crowd != nil {
		accounts, err := r.crowd.Close()
		rep.Crowd, errs = accounts, append(errs, err)
	}
	if r.sockets != nil {
		errs = append(errs, r.release())
	}
	totals := r.book.Totals()
	if rep.Posts != nil {
		rep.Posts.Accepted, rep.Posts.Rejected, rep.Posts.Unknown = totals.Accepted, totals.Rejected, totals.Unknown
	}
	if r.cfg.Consumers > 0 {
		errs = append(errs, r.balance(r.consumers.Close(totals)))
	} else {
		r.consumers.Close(totals)
	}
	return errors.Join(errs...)
}

// release lets go of the sockets. None of them may have ended before.
func (r *run) release() error {
	s := r.sockets.Stats()
	r.sockets.Close()
	r.report.Sockets = &report.Sockets{Opened: r.cfg.Sockets, Ended: s.Ended, Messages: s.Messages, Pings: s.Pings}
	if s.Ended > 0 {
		return fmt.Errorf("sockets: the server ended %d of %d, first: %s", s.Ended, r.cfg.Sockets, s.Reason)
	}
	return nil
}

// untilQuiet waits until no stream has news for a while.
func (r *run) untilQuiet() {
	quiet := int64(700 * time.Millisecond)
	if r.cfg.Listen != "" || len(r.cfg.Targets) > 1 {
		// An instance tells the others of its last events, should it have
		// dropped them, when it has had none for a second.
		quiet = int64(2 * time.Second)
	}
	// What is released now may take a moment to begin.
	from := r.clock.Now()
	for deadline := from + int64(r.cfg.Settle); ; time.Sleep(20 * time.Millisecond) {
		now := r.clock.Now()
		if r.crowd != nil {
			patience := r.crowd.Patience()
			if _, last := r.crowd.Stats(); time.Since(last) < patience || now-from < int64(patience) {
				if now <= deadline {
					continue
				}
			}
		}
		if now-max(from, r.consumers.Stats().LastNews) > quiet {
			return
		}
		if now > deadline {
			r.report.Warn("streams were not quiet %v after players ended: accounts were closed all the same", r.cfg.Settle)
			return
		}
	}
}

func (r *run) balance(result consumer.Result) error {
	rep := r.report
	if rep.Deliveries == nil {
		rep.Deliveries = new(report.Deliveries)
	}
	d := rep.Deliveries
	d.Joined, d.Returns = int64(len(result.Entries)+result.Unread), result.Returns
	d.Latency = report.NewLatency(result.Latency)
	d.Ended = make(map[string]int)
	healthy := 0
	for role, n := range result.Ended {
		d.Ended[role.String()] = n
		if role != consumer.Stalling && role != consumer.Slow {
			healthy += n
		}
	}
	l := &report.Ledger{Streams: len(result.Entries), Unread: result.Unread, Faults: result.Faults}
	for _, e := range result.Entries {
		l.Sent += e.Owed()
		l.Received += e.Received
		l.Skipped += e.Skipped
		l.Inferred += e.Inferred
		l.Unexplained += e.Unexplained()
		l.Worst = max(l.Worst, e.Unexplained())
	}
	l.SkippedBy = make(map[string]uint64)
	for role, n := range result.Skipped {
		l.SkippedBy[role.String()] = n
	}
	rep.Ledger = l
	if healthy > 0 {
		return errors.Join(result.Err, fmt.Errorf("consumers: the server ended %d streams that read as they should, first: %s", healthy, result.EndErr))
	}
	return result.Err
}
