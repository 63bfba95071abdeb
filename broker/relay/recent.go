package relay

// recentEvents is how many ids are remembered: far more than are published while
// what had no answer is on its way a second time.
const recentEvents = 4096

// A recent remembers the last ids that it was asked for. It belongs to one
// goroutine.
type recent struct {
	has map[string]struct{}
	ids [recentEvents]string // in the order in which they came, round and round
	at  int                  // of the oldest, which makes room for the next
}

// again reports whether an id has come before, and remembers it.
func (r *recent) again(id string) bool {
	if _, ok := r.has[id]; ok {
		return true
	}
	if r.has == nil {
		r.has = make(map[string]struct{})
	}
	delete(r.has, r.ids[r.at])
	r.has[id] = struct{}{}
	r.ids[r.at] = id
	r.at = (r.at + 1) % recentEvents
	return false
}
