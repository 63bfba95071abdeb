// Package wake lets the goroutines that read a log sleep while there is no news,
// at the cost of one load per publish while they are awake.
//
// A [Gate] has a bit for each [Waiter] that says that it is parked, in groups of 64,
// and one word with a bit for each group that has such a waiter. The publisher
// stores its event, then loads that one word, and only if it is not zero pays for
// wake-ups. The reader parks in three steps: it announces itself (sets its bit, then
// its group's), looks at the log again, and sleeps only if the log is still empty.
//
// # No wake-up is lost
//
// Publisher:  store event;  load word.
// Reader:     set bits;     load event.
//
// Go's atomics are sequentially consistent, so all these operations stand in one
// order that everybody agrees on. If the publisher's load comes after the group's
// bit was set, it sees the bit and wakes the reader. If it comes before, then so
// does the store of the event, and the reader's second look finds the event. A third
// case does not exist.
//
// The publisher takes the groups' bits and then, group by group, the waiters'. A
// waiter that announces itself meanwhile sets its own bit first: either that
// publisher still takes it and wakes it, too early at worst, or both bits stand when
// the waiter looks again.
//
// Of several publishers that see the bit, one takes it and makes the call. If it
// is preempted in between, the reader sleeps until it runs again, as it would if
// that publisher had been preempted before its commit.
package wake

import (
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	groups = 32

	// MaxWaiters is how many waiters a gate takes.
	MaxWaiters = groups * 64
)

// ErrFull is returned by [Gate.Join] when MaxWaiters have joined.
var ErrFull = errors.New("wake: too many waiters")

// A Gate is where waiters park. The zero value is ready for use.
type Gate struct {
	parked  atomic.Uint64         // bit g: a waiter of group g is parked, or about to
	_       [56]byte              // publishers load parked all the time: keep it apart from what follows
	group   [groups]atomic.Uint64 // bit i: waiter i of the group is parked, or about to
	waiters [MaxWaiters]atomic.Pointer[Waiter]
	joining sync.Mutex // held by Join and Leave
}

// A Waiter is one goroutine's place at the gate.
type Waiter struct {
	gate  *Gate
	place int // 64 to a group
	wake  func()
}

// Join adds a waiter. The gate calls wake, from a publisher's goroutine, to end
// the waiter's sleep; wake must not block, and must have effect even if the
// waiter has not fallen asleep yet (a channel of capacity one).
func (g *Gate) Join(wake func()) (*Waiter, error) {
	g.joining.Lock()
	defer g.joining.Unlock()
	for i := range g.waiters {
		if g.waiters[i].Load() == nil {
			w := &Waiter{gate: g, place: i, wake: wake}
			g.waiters[i].Store(w)
			return w, nil
		}
	}
	return nil, ErrFull
}

// Leave gives the waiter's place back; again, it does nothing. A wake-up that is
// under way may still arrive.
func (w *Waiter) Leave() {
	w.gate.joining.Lock()
	defer w.gate.joining.Unlock()
	if w.gate.waiters[w.place].CompareAndSwap(w, nil) { // not a successor's place
		w.Retract()
	}
}

// Announce says that the waiter is about to sleep. It must then look for news
// once more: if there is some, Retract, otherwise sleep until woken.
func (w *Waiter) Announce() {
	g := w.place / 64
	w.gate.group[g].Or(1 << (w.place % 64))
	w.gate.parked.Or(1 << g) // second: who takes the group finds the waiter
}

// Retract takes Announce back. Not needed after a wake-up, which does it, but harmless.
// The group's bit stays, which costs the next publisher a look, once: to clear it
// could hide another waiter of the group.
func (w *Waiter) Retract() { w.gate.group[w.place/64].And(^(uint64(1) << (w.place % 64))) }

// Wake ends the sleep of every parked waiter. Publishers call it after their
// event can be seen.
func (g *Gate) Wake() {
	if g.parked.Load() != 0 {
		g.wakeParked()
	}
}

// wakeParked is apart so that Wake is inlined into the publisher.
func (g *Gate) wakeParked() {
	// Swap, so that of many publishers one pays.
	for some := g.parked.Swap(0); some != 0; some &= some - 1 {
		k := bits.TrailingZeros64(some)
		for mask := g.group[k].Swap(0); mask != 0; mask &= mask - 1 {
			if w := g.waiters[k*64+bits.TrailingZeros64(mask)].Load(); w != nil {
				w.wake()
			}
		}
	}
}

// A Sleeper is a waiter that sleeps on a channel, for goroutines that have
// nothing else to wait for than news, a stop and a timer.
type Sleeper struct {
	waiter *Waiter
	news   chan struct{}
}

// NewSleeper joins the gate with a channel.
func (g *Gate) NewSleeper() (*Sleeper, error) {
	s := &Sleeper{news: make(chan struct{}, 1)}
	w, err := g.Join(func() {
		select {
		case s.news <- struct{}{}:
		default: // a wake-up is already waiting
		}
	})
	if err != nil {
		return nil, err
	}
	s.waiter = w
	return s, nil
}

// News announces the sleeper, looks again with pending, and returns the channel
// to sleep on; a wake-up may be spurious. If there is news already, the channel
// is ready at once.
func (s *Sleeper) News(pending func() bool) <-chan struct{} {
	s.waiter.Announce()
	if pending() {
		s.waiter.Retract()
		return ready
	}
	return s.news
}

// Leave gives the sleeper's place at the gate back.
func (s *Sleeper) Leave() { s.waiter.Leave() }

// ready is a channel that never blocks its receiver.
var ready = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
