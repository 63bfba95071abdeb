package session

// RedisStats is a snapshot of a [Redis].
type RedisStats struct {
	Up       bool
	Missed   int // events that wait for the server
	Mirror   MemoryStats
	Failures map[string]uint64 // by reason, all of Reasons
}

// Stats takes a snapshot.
func (s *Redis) Stats() RedisStats {
	st := RedisStats{Up: s.Up(), Mirror: s.mirror.Stats(), Failures: make(map[string]uint64, len(Reasons))}
	for i, reason := range Reasons {
		st.Failures[reason] = s.failures[i].Load()
	}
	st.Missed = s.misses.count()
	return st
}
