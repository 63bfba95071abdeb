package session

// misses are what a [Memory] has and the server beside it has not. They are no more than is
// stored: what is given up is not missed any more.
type misses struct{ *Memory }

// settle notes whether the server has what is stored.
func (m misses) settle(key entryKey, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.stored.entries[key]; e != nil {
		m.stored.miss(e, !done)
	}
}

// unsettle notes that the server may have nothing of members with sockets.
func (m misses) unsettle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for el := m.stored.present.list.Front(); el != nil; el = el.Next() {
		m.stored.miss(el.Value.(*entry), true)
	}
}

// has reports whether the server misses what is stored.
func (m misses) has(key entryKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.stored.entries[key]
	return e != nil && e.missed
}

// count is how many events the server misses.
func (m misses) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stored.missed
}

// keys is what the server misses.
func (m misses) keys() (all []entryKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stored.missed == 0 {
		return nil
	}
	for key, e := range m.stored.entries {
		if e.missed {
			all = append(all, key)
		}
	}
	return all
}
