// Package sharing lets callers that ask for the same thing at the same time share one answer.
package sharing

import "sync"

// Readings let callers that want to read the same thing at the same time share one reading.
// A caller never gets one that began before it asked: what was written before it asked is in
// it.
type Readings[K comparable, V any] struct {
	mu   sync.Mutex
	last map[K]*reading[V] // the one that was asked for last, until it is done
}

type reading[V any] struct {
	begun bool // too late to join; guarded by the lock
	done  chan struct{}
	value V // once done; shared
}

// Do returns what read returned to this caller or to one whose reading it could join.
// There is one reading of a key at a time. If read panics, only its own caller does; those that
// joined it get a zero value.
func (s *Readings[K, V]) Do(key K, read func() V) V {
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
	}
	s.mu.Lock()
	mine.begun = true
	s.mu.Unlock()
	defer func() { // also if read panics: nobody waits for ever
		s.mu.Lock()
		if s.last[key] == mine {
			delete(s.last, key)
		}
		s.mu.Unlock()
		close(mine.done)
	}()
	mine.value = read()
	return mine.value
}
