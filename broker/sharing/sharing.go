// Package sharing lets callers that ask for the same thing at the same time share one answer.
package sharing

import (
	"sync"
	"time"
)

// Readings let callers that want to read the same thing at the same time share one reading.
// A caller never gets one that began before it asked: what was written before it asked is in
// it.
type Readings[K comparable, V any] struct {
	mu   sync.Mutex
	last map[K]*reading[V] // the one that was asked for last, until it is done and its rest is over
}

type reading[V any] struct {
	begun bool // too late to join; guarded by the lock
	done  chan struct{}
	value V         // once done; shared
	rest  time.Time // once done; until when the next one of the key waits
}

// Do returns what read returned to this caller or to one whose reading it could join.
// There is one reading of a key at a time. If read panics, only its own caller does; those that
// joined it get a zero value.
func (s *Readings[K, V]) Do(key K, read func() V) V {
	return s.DoAndRest(key, func() (V, time.Duration) { return read(), 0 })
}

// DoAndRest is Do for a read that also says how long the next reading of the key has to wait
// after it. Those who ask meanwhile share that one.
func (s *Readings[K, V]) DoAndRest(key K, read func() (V, time.Duration)) V {
	s.mu.Lock()
	before := s.last[key]
	if before != nil && !before.begun {
		s.mu.Unlock()
		<-before.done
		return before.value
	}
	mine := &reading[V]{done: make(chan struct{})}
	if s.last == nil {
		s.last = make(map[K]*reading[V])
	}
	s.last[key] = mine
	s.mu.Unlock()
	if before != nil {
		<-before.done // others join mine meanwhile
		time.Sleep(time.Until(before.rest))
	}
	s.mu.Lock()
	mine.begun = true
	s.mu.Unlock()
	var rest time.Duration
	defer func() { // also if read panics: nobody waits for ever
		mine.rest = time.Now().Add(rest)
		s.finish(key, mine, rest)
		close(mine.done)
	}()
	mine.value, rest = read()
	return mine.value
}

// finish lets go of r, at once or, without its value, after its rest, unless another one was asked
// for.
func (s *Readings[K, V]) finish(key K, r *reading[V], rest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[key] != r {
		return
	}
	if rest <= 0 {
		delete(s.last, key)
		return
	}
	resting := &reading[V]{begun: true, done: r.done, rest: r.rest}
	s.last[key] = resting
	time.AfterFunc(rest, func() { s.finish(key, resting, 0) })
}
