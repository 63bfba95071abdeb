package screens

import (
	"sync/atomic"
	"time"
)

// A backlog is what waits for a socket: of the replay, live events, and control frames.
// The socket's lock guards it.
type backlog struct {
	// Fixed after enter.
	counters *counters // the hub's
	user     *user

	missed atomic.Int32 // pings since something was heard; needs no lock

	open     bool     // the replay is decided; until then live frames wait
	replayed playback // until it is written, and nothing older can come any more
	opened   time.Time
	queue    queue
	skipped  uint64 // events that the socket was not told yet it missed
	pong     []byte // answer to the latest ping (RFC 6455, section 5.5.3)
	ping     bool
	last     []byte // close frame: nothing follows it
	closed   bool   // the close frame is written, or cannot be
	waits    bool   // until others are done; see budget
}

// skip counts events that the socket does not get.
func (l *backlog) skip(n int) {
	l.skipped += uint64(n)
	l.counters.skipped.Add(uint64(n))
}

// start ends the wait for the replay: its events go out, then those that came
// meanwhile. What is in both keeps its place among the latter.
func (l *backlog) start(r *replay, now time.Time) {
	l.replayed.share = share{r, l.leftOut(r, now)}
	l.replayed.next = l.replayed.from(0, l.user.name)
	waiting := l.queue
	l.queue = queue{}
	for waiting.frames != nil {
		f := waiting.take()
		if l.due(f, now) {
			l.skip(l.queue.put(f))
		}
		f.release()
	}
	l.open, l.opened = true, now
}

// leftOut is what the socket gets as live events, or its user got lately.
func (l *backlog) leftOut(r *replay, now time.Time) marks {
	out := l.user.lately.of(r, now)
	out.all(func(i int32) {
		if r.events[i].isFor(l.user.name) {
			l.counters.guarded.Add(1)
		}
	})
	for _, f := range l.queue.frames {
		if i, ok := r.find(f.slot); ok && r.events[i].id == f.id {
			if out == nil {
				out = newMarks(r.len())
			}
			out.set(i)
		}
	}
	if out != nil {
		r.budget.list(out.size())
	}
	return out
}

// settle sends the held-back events that have waited for long enough, skips what is given
// up, and lets go of the replay once it is written and nothing on its way from another
// instance can bring its events again; or, where replays take too much memory, soon.
func (l *backlog) settle(now time.Time) {
	l.show(func(e early) bool {
		return l.replayed.passed.has(e.index) || now.Sub(e.since) >= doubt // those of a slot keep their order
	})
	if len(l.replayed.early) == 0 {
		l.replayed.early = nil
	}
	l.skip(l.queue.purge())
	if r := l.replayed.replay; l.open && r != nil && (r.isOver(l.opened, now) && !l.replayed.more() || r.isCrowded(l.opened, now)) {
		l.skip(l.replayed.rest(l.user.name))
		if !r.isOver(l.opened, now) { // what they waited for may come, and is not known then
			l.show(func(early) bool { return true })
		}
		l.replayed.forget()
	}
}

// more reports whether anything but a control frame waits.
func (l *backlog) more() bool {
	return l.replayed.more() || l.queue.frames != nil || l.last != nil || l.skipped > 0
}

// clear lets go of all events.
func (l *backlog) clear() {
	l.queue.clear()
	l.replayed.clear()
}
