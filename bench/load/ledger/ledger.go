// Package ledger balances what players published against what consumers
// received.
//
// A consumer is owed every event accepted after its stream opened and nothing
// older. Seen from outside, two things are uncertain: whether an event under
// way at the moment of joining came before or after it, and whether an event
// whose answer never came (the page was unloaded, the server died) was
// accepted. So what a consumer is owed is a range, and the entry balances when
// received + skipped lies in that range. Consumers that joined before the
// first event have no first kind of uncertainty, and [Tighten] removes the
// second by making them agree with one another.
package ledger

import "sync/atomic"

// Totals counts events over all players.
type Totals struct {
	Started  uint64 // begun to be written to a socket
	Accepted uint64 // answered 200
	Rejected uint64 // answered otherwise
	Unknown  uint64 // never answered: reset on purpose, connection lost, timed out
}

// Book is the totals while players run. The zero value is ready.
type Book struct {
	started, accepted, rejected, unknown atomic.Uint64
}

// Start counts events about to be written; before the write, so that no event
// is on its way uncounted.
func (b *Book) Start(n uint64) { b.started.Add(n) }

// Accept counts events answered 200.
func (b *Book) Accept(n uint64) { b.accepted.Add(n) }

// Reject counts events answered otherwise.
func (b *Book) Reject(n uint64) { b.rejected.Add(n) }

// Lose counts events whose answer will never come.
func (b *Book) Lose(n uint64) { b.unknown.Add(n) }

// Totals reads the book. Outcomes are read before starts, so that Started is
// never less than the sum of the others.
func (b *Book) Totals() Totals {
	t := Totals{Accepted: b.accepted.Load(), Rejected: b.rejected.Load(), Unknown: b.unknown.Load()}
	t.Started = b.started.Load()
	return t
}

// Entry is the account of one stream.
type Entry struct {
	Dialled Totals // just before connecting
	Opened  Totals // when the answer's head was there
	// LeftEarly is set when the generator closed the stream itself: what was
	// under way then is not owed. Left is the totals at that moment.
	LeftEarly bool
	Left      Totals

	Received uint64 // events
	Skipped  uint64 // reported by the server
	Inferred uint64 // of these, known from the length of the reports only
	Missing  uint64 // sequences jumped over, parsed streams only

	min, max uint64
}

// Settle computes what the stream is owed, given the totals at the end.
func (e *Entry) Settle(final Totals) {
	if e.LeftEarly {
		e.min, e.max = 0, e.Left.Started-min(e.Left.Started, e.Dialled.Accepted)
	} else {
		// Whatever started before the stream opened may have been before it;
		// of that, rejected and unknown ones are not among the accepted.
		before := e.Opened.Started - e.Opened.Rejected - e.Opened.Unknown
		e.min = final.Accepted - min(final.Accepted, before)
		e.max = final.Accepted + final.Unknown - e.Dialled.Accepted
	}
	// A sequence jumped over was published between two that arrived. Unless
	// it was refused, it is owed.
	if refused := final.Rejected + final.Unknown; e.Missing > refused {
		e.min = max(e.min, e.Received+e.Missing-refused)
	}
	e.max = max(e.max, e.min)
}

// FromTheStart reports whether the stream was open before the first event and
// stayed.
func (e *Entry) FromTheStart() bool { return e.Opened.Started == 0 && !e.LeftEarly }

// Accounted is received plus skipped.
func (e *Entry) Accounted() uint64 { return e.Received + e.Skipped }

// Owed is the event count that the stream is balanced against: the nearest to
// what it accounts for in its range.
func (e *Entry) Owed() uint64 { return min(max(e.Accounted(), e.min), e.max) }

// Unexplained is how far the entry is from balancing; 0 is the promise.
func (e *Entry) Unexplained() uint64 {
	got, owed := e.Accounted(), e.Owed()
	return max(got, owed) - min(got, owed)
}

// Tighten uses that streams open from the first event to the last are owed the
// same number: the most that any of them accounts for, as far as that is
// possible at all. It matters only when outcomes are unknown.
func Tighten(entries []*Entry) {
	var most uint64
	for _, e := range entries {
		if e.FromTheStart() {
			most = max(most, min(e.Accounted(), e.max))
		}
	}
	for _, e := range entries {
		if e.FromTheStart() {
			e.min = max(e.min, most)
		}
	}
}
