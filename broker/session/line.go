package session

import "sync"

// A line is a lock with a short way past those who wait for it: as only one of them is next,
// hardly more than one is before LockFirst.
type line struct {
	wait sync.Mutex // held by who is next
	lock sync.Mutex
}

func (l *line) Lock() {
	l.wait.Lock()
	l.lock.Lock()
	l.wait.Unlock()
}

// LockFirst locks, before those who wait in Lock.
func (l *line) LockFirst() { l.lock.Lock() }

func (l *line) Unlock() { l.lock.Unlock() }
