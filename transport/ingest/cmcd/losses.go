package cmcd

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Losses counts reports that players sent, or meant to send, and that never came
// here. Players number the reports of a session from 0 on (CTA-5004-B, key sn).
//
// What is missing counts as lost once 64 later ones of its session have come, or
// once its session is forgotten: reports overtake each other and are sent again.
// Counting begins with the first report that comes, since an instance may join in
// the middle of a session.
//
// Sessions are remembered by a hash, the 16,384 that reported last (nearly: each
// falls into one of 2,048 buckets of 8). Reports that go to another instance look
// like lost ones, so a session's reports must go to one instance for this to be
// exact.
type Losses struct {
	seed    maphash.Seed
	lost    atomic.Uint64
	late    atomic.Uint64
	buckets [buckets]bucket
}

const (
	buckets  = 2048
	perPlace = 8
	window   = 64     // reports
	maxJump  = 10_000 // reports that may be lost at once: hours of them
)

type bucket struct {
	mu       sync.Mutex
	clock    uint64
	sessions [perPlace]session
}

// A session has seen the reports below next that have a bit, bit 0 being next-1.
// What lies before its first report counts as seen.
type session struct {
	hash uint64
	used uint64 // when, by the clock of the bucket; 0: free
	next int64
	seen uint64
}

// NewLosses returns an empty table.
func NewLosses() *Losses { return &Losses{seed: maphash.MakeSeed()} }

// Lost is how many never came.
func (l *Losses) Lost() uint64 { return l.lost.Load() }

// Repeated is how many came that had come before, or too late to tell.
func (l *Losses) Repeated() uint64 { return l.late.Load() }

// Note takes note of a report. Those without session or sequence do not count.
func (l *Losses) Note(r Record) {
	if r.Session == nil || r.Sequence < 0 {
		return
	}
	hash := maphash.Bytes(l.seed, r.Session)
	b := &l.buckets[hash%buckets]
	b.mu.Lock()
	lost, late := b.find(hash, r.Sequence, &l.lost).note(r.Sequence)
	b.mu.Unlock()
	if lost > 0 {
		l.lost.Add(lost)
	}
	if late {
		l.late.Add(1)
	}
}

// find returns the session, a new one if need be in the place of the one that was
// silent for longest.
func (b *bucket) find(hash uint64, sequence int64, lost *atomic.Uint64) *session {
	b.clock++
	oldest := &b.sessions[0]
	for i := range b.sessions {
		s := &b.sessions[i]
		if s.used > 0 && s.hash == hash {
			s.used = b.clock
			return s
		}
		if s.used < oldest.used {
			oldest = s
		}
	}
	if oldest.used > 0 {
		lost.Add(uint64(bits.OnesCount64(^oldest.seen)))
	}
	*oldest = session{hash: hash, used: b.clock, next: sequence, seen: ^uint64(0)}
	return oldest
}

// note marks a report as seen. It returns how many left the window unseen.
func (s *session) note(sequence int64) (lost uint64, late bool) {
	ahead := sequence - s.next // how many are between the newest and this one
	switch {
	case ahead > maxJump: // nonsense, or a player that numbers otherwise
		s.next, s.seen = sequence+1, ^uint64(0)
		return 0, false
	case ahead >= 0:
		shift := ahead + 1
		if shift >= window {
			lost = uint64(bits.OnesCount64(^s.seen)) + uint64(shift-window)
			s.seen = 0
		} else {
			lost = uint64(bits.OnesCount64(^s.seen >> (window - shift)))
			s.seen <<= shift
		}
		s.seen |= 1
		s.next = sequence + 1
		return lost, false
	}
	behind := s.next - 1 - sequence
	if behind >= window || s.seen>>behind&1 == 1 {
		return 0, true
	}
	s.seen |= 1 << behind
	return 0, false
}
