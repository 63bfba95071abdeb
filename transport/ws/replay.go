package ws

import (
	"cmp"
	"slices"
	"time"

	"event-dispatcher/broker/session"
)

// A replay is what was stored of a practice's active users at some moment. It is
// never modified: all sockets that open at that moment share it, and replays of
// other moments share the events that are in both.
type replay struct {
	events []*past
	bySlot []int32 // indexes into events, in the order of their slots
}

// A past is a stored event with its frame, encoded once.
type past struct {
	session.Event
	hash  eventHash
	frame []byte
}

func newPast(e session.Event) *past {
	e.Origin = ""
	text := e.JSON()
	return &past{e, hashOf(e.ID), append(AppendTextHeader(make([]byte, 0, MaxTextHeader+len(text)), len(text)), text...)}
}

// isFor reports whether a user may see the event.
func (p *past) isFor(user string) bool { return p.TargetUser == "" || p.TargetUser == user }

// newReplay makes a replay of events, one of each slot, with what it can take from
// an earlier one. It returns the earlier one if nothing has changed.
func newReplay(events []session.Event, earlier *replay) *replay {
	r := &replay{events: make([]*past, len(events)), bySlot: make([]int32, len(events))}
	same := len(events) == earlier.len()
	for i, e := range events {
		r.bySlot[i] = int32(i)
		if same && earlier.events[i].Event == e {
			r.events[i] = earlier.events[i]
			continue
		}
		same = false
		if old, found := earlier.find(slotOf(e)); found && earlier.events[old].Event == e {
			r.events[i] = earlier.events[old]
		} else {
			r.events[i] = newPast(e)
		}
	}
	if same && earlier != nil {
		return earlier
	}
	slices.SortFunc(r.bySlot, func(a, b int32) int { return slotOf(r.events[a].Event).compare(slotOf(r.events[b].Event)) })
	return r
}

func (r *replay) len() int {
	if r == nil {
		return 0
	}
	return len(r.events)
}

// find is the index of a slot's event.
func (r *replay) find(of slot) (index int32, found bool) {
	if r == nil {
		return 0, false
	}
	at, found := slices.BinarySearchFunc(r.bySlot, of, func(i int32, of slot) int { return slotOf(r.events[i].Event).compare(of) })
	if !found {
		return 0, false
	}
	return r.bySlot[at], true
}

func (a slot) compare(b slot) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.action, b.action))
}

// A share is a socket's part in a replay: all but what is left out.
type share struct {
	*replay
	without map[int32]struct{} // not modified after begin
}

// has reports whether the event is in the share of a user.
func (r share) has(index int32, user string) bool {
	_, out := r.without[index]
	return !out && r.events[index].isFor(user)
}

// from is the first index that is in the share, from i on.
func (r share) from(i int32, user string) int32 {
	for int(i) < r.len() && !r.has(i, user) {
		i++
	}
	return i
}

// A lastReplay is the latest of a practice.
type lastReplay struct {
	*replay
	at time.Time
}

// replay reads what is stored of a practice. Those who ask at the same time share
// one reading; and only few practices are read at once, so that those who open
// leave the processors to others, too.
func (h *Hub) replay(practice string) *replay {
	folded := h.fold(practice)
	return h.readings.Do(folded, func() *replay {
		h.reader <- struct{}{}
		defer func() { <-h.reader }()
		events := h.ties.Load().store.Replay(practice)
		h.mu.Lock()
		earlier := h.replays[folded].replay
		h.mu.Unlock()
		r := newReplay(events, earlier)
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.len() > 0 {
			h.replays[folded] = lastReplay{r, time.Now()}
		} else {
			delete(h.replays, folded)
		}
		return r
	})
}
