package session

import (
	"container/list"
	"time"
)

// A storage is the events of a [Memory], within the bounds of its options. The Memory's
// lock guards it.
type storage struct {
	options Options
	entries map[entryKey]*entry
	present aged                           // of members with sockets
	absent  aged                           // of others
	places  map[string]map[member]struct{} // user: where something is stored
	missed  int                            // entries that are
	evicted uint64
	emptied map[member]struct{} // whose last event is gone, of other practices than folded; nil: nobody asks
	folded  string              // the default practice
}

// An aged list is of entries, least recently put first.
type aged struct {
	list  *list.List // of *entry
	bytes int
}

type entry struct {
	// Fixed.
	key   entryKey
	event Event
	size  int

	put    time.Time
	heard  bool // of another instance, which stores it
	read   bool // from the server beside this memory: if it has it no more, it was removed
	missed bool // that server does not have it
	in     *aged
	place  *list.Element
}

// entryOverhead is what an entry takes beyond its strings, about: the event and the key
// alone are 250 bytes, and maps keep the key a second and a third time, with room to grow.
const entryOverhead = 1024

// newEntry is an entry of an event that is put now.
func newEntry(key entryKey, e Event, heard bool) *entry {
	return &entry{key: key, event: e, put: time.Now(), heard: heard, size: e.size() + len(key.practice)}
}

// size is what an event takes where it is stored, about: as much in memory, and at least as
// much as its JSON, which Redis has.
func (e *Event) size() int {
	sum := entryOverhead
	for _, text := range []string{e.ID, e.Source, e.Target, e.Data, e.Practice, e.TargetUser} {
		sum += jsonSize(text)
	}
	return sum
}

func newStorage(o Options) storage {
	return storage{
		options: o.withDefaults(),
		entries: make(map[entryKey]*entry),
		present: aged{list: list.New()},
		absent:  aged{list: list.New()},
		places:  make(map[string]map[member]struct{}),
	}
}

// later is the time of an event that is new here: later than that of the one it replaces. Two may
// come within a millisecond, or wait for each other, and the clock of an instance whose event was
// heard of may be some seconds ahead. If that clock is ahead by more, its event stays the newer
// one; and nobody's events run ahead of our clock by more, however many come.
func (s *storage) later(new *entry) int64 {
	at, most := new.event.At, OnItsWay.Milliseconds()
	old := s.get(new.key)
	if old == nil || old.event.At < at || old.heard && old.event.At-at >= most {
		return at
	}
	return min(old.event.At+1, at+most)
}

// put stores an event of a member, which has sockets if it is here, and returns what was
// given up for it.
//
// Of an event that was put here and one that was heard of, for the same place, the newer one
// stays, and so it does at the other instance. Where they were put at nearly the same time, the
// server may have either, as they come there in any order. So the instance of the newer one
// stores it again, and that of the older one removes that from the server, if it is there: each
// event has one instance that sees to it.
func (s *storage) put(new *entry, here bool) (up []excess) {
	key, missed := new.key, false
	if old := s.entries[key]; old != nil {
		if new.heard && old.event.newerThan(&new.event) {
			if !old.heard && old.isRecent() {
				s.miss(old, true)
			}
			return nil
		}
		missed = old.missed
		if new.heard && !old.heard && old.event.ID != new.event.ID && old.isRecent() {
			up = append(up, excess{old.event, false})
		}
		s.remove(old)
	}
	s.entries[key] = new
	s.miss(new, missed)
	s.place(new, here)
	places := s.places[key.user]
	if places == nil {
		places = make(map[member]struct{})
		s.places[key.user] = places
	}
	places[key.member] = struct{}{}
	if len(places) > maxPractices {
		up = s.giveUp(up, s.oldest(places)...)
	}
	return s.trim(up)
}

// isRecent reports whether an event was put so lately that one of another instance, of which we
// hear now, may have come to the server before it or after it.
func (e *entry) isRecent() bool { return time.Since(e.put) <= OnItsWay/2 }

// miss notes whether the server misses an entry.
func (s *storage) miss(e *entry, missed bool) {
	if e.missed != missed {
		e.missed = missed
		if missed {
			s.missed++
		} else {
			s.missed--
		}
	}
}

// place makes an entry the youngest of those of its kind: here says whether its member
// has sockets.
func (s *storage) place(e *entry, here bool) {
	e.in = &s.absent
	if here {
		e.in = &s.present
	}
	e.place = e.in.list.PushBack(e)
	e.in.bytes += e.size
}

// unplace is the reverse.
func (s *storage) unplace(e *entry) {
	e.in.list.Remove(e.place)
	e.in.bytes -= e.size
}

// replace is for a member that came or went.
func (s *storage) replace(who member, here bool) {
	for _, e := range s.latest(nil, who) {
		s.unplace(e)
		s.place(e, here)
	}
}

// oldest is the entries of the place where a user did something the longest ago,
// one without a socket if there is one.
func (s *storage) oldest(places map[member]struct{}) (oldest []*entry) {
	age := func(of []*entry) (present bool, put time.Time) {
		for _, e := range of {
			if e.put.After(put) {
				put = e.put
			}
			present = present || e.in == &s.present
		}
		return present, put
	}
	for who := range places {
		some := s.latest(nil, who)
		here, put := age(some)
		hereOld, putOld := age(oldest)
		if oldest == nil || !here && hereOld || here == hereOld && put.Before(putOld) {
			oldest = some
		}
	}
	return oldest
}

// trim removes what is expired, and the oldest of what is too much: of those
// without sockets first. It goes a little further than it must, so that it is called for
// many at once.
func (s *storage) trim(up []excess) []excess {
	for _, of := range []*aged{&s.absent, &s.present} {
		for el := of.list.Front(); el != nil && s.expired(el.Value.(*entry)); el = of.list.Front() {
			e := el.Value.(*entry)
			s.remove(e)
			s.noteEmptied(e.key.member)
		}
	}
	if s.absent.bytes > s.options.MaxAbsentBytes {
		for s.absent.bytes > s.options.MaxAbsentBytes/8*7 && s.absent.list.Len() > 0 {
			up = s.giveUp(up, s.absent.list.Front().Value.(*entry))
		}
	}
	for len(s.entries) > s.options.MaxEvents || s.absent.bytes+s.present.bytes > s.options.MaxBytes {
		of := &s.absent
		if of.list.Len() == 0 {
			of = &s.present
		}
		up = s.giveUp(up, of.list.Front().Value.(*entry))
	}
	return up
}

// maxEmptied bounds who is remembered to have no stored event any more.
const maxEmptied = 20_000

// noteEmptied remembers a member, if its last event is gone.
func (s *storage) noteEmptied(who member) {
	if s.emptied != nil && who.practice != s.folded && len(s.emptied) < maxEmptied && len(s.latest(nil, who)) == 0 {
		s.emptied[who] = struct{}{}
	}
}

// An excess is an event that was given up before its time.
type excess struct {
	event   Event
	present bool // of a member with sockets
}

// giveUp removes entries before their time, and adds to up those that no other instance
// sees to: an instance that stores an event does, and each where its member has sockets.
func (s *storage) giveUp(up []excess, entries ...*entry) []excess {
	for _, e := range entries {
		s.evicted++
		present := e.in == &s.present
		s.remove(e)
		if present { // who has no sockets leaves its practice with the event
			s.noteEmptied(e.key.member)
		}
		if present || !e.heard {
			up = append(up, excess{e.event, present})
		}
	}
	return up
}

func (s *storage) expired(e *entry) bool {
	return s.options.TTL > 0 && time.Since(e.put) >= s.options.TTL
}

// putAt is when a stored event was put, as far as the event tells.
func (s *storage) putAt(e Event) time.Time {
	now, at := time.Now(), time.UnixMilli(e.At)
	if at.After(now) || s.options.TTL > 0 && now.Sub(at) >= s.options.TTL {
		return now
	}
	return at
}

func (s *storage) remove(e *entry) {
	s.unplace(e)
	s.miss(e, false)
	delete(s.entries, e.key)
	for _, action := range actions {
		if s.entries[entryKey{e.key.member, action}] != nil {
			return
		}
	}
	delete(s.places[e.key.user], e.key.member)
	if len(s.places[e.key.user]) == 0 {
		delete(s.places, e.key.user)
	}
}

// latest appends what is stored of a member.
func (s *storage) latest(to []*entry, who member) []*entry {
	for _, action := range actions {
		if e := s.get(entryKey{who, action}); e != nil {
			to = append(to, e)
		}
	}
	return to
}

// get is nil if nothing is stored.
func (s *storage) get(key entryKey) *entry {
	if e := s.entries[key]; e != nil && !s.expired(e) {
		return e
	}
	return nil
}

// forget deletes what is stored of a member.
func (s *storage) forget(who member) {
	for _, action := range actions {
		if e := s.entries[entryKey{who, action}]; e != nil {
			s.remove(e)
		}
	}
}
