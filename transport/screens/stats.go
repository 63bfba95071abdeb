package screens

import (
	"sync/atomic"

	"event-dispatcher/transport/websocket"
)

// counters are what a hub counts.
type counters struct {
	delivered, skipped, replayed, guarded, duplicates, bytes atomic.Uint64
	closed                                                   [websocket.NumReasons]atomic.Uint64
}

// Stats is one snapshot of a hub.
type Stats struct {
	Sockets    int64
	Users      int    // with a socket here, per practice
	Held       int64  // bytes of events that wait for sockets, replays and what users got lately included
	Delivered  uint64 // events written to sockets, once per socket; replays not included
	Skipped    uint64 // events that slow sockets missed, once per socket
	Replayed   uint64 // events replayed to sockets that opened
	Guarded    uint64 // events not replayed because the user got them just before
	Duplicates uint64 // events passed over because the replay had them
	Bytes      uint64 // written to sockets
	Closed     [websocket.NumReasons]uint64
}

// Stats takes the snapshot.
func (h *Hub) Stats() Stats {
	c := &h.counters
	st := Stats{
		Sockets: h.sockets.Load(), Users: h.rooms.users(), Held: h.budget.held.Load() + h.budget.lists.Load(),
		Delivered: c.delivered.Load(), Skipped: c.skipped.Load(), Replayed: c.replayed.Load(),
		Guarded: c.guarded.Load(), Duplicates: c.duplicates.Load(), Bytes: c.bytes.Load(),
	}
	for i := range st.Closed {
		st.Closed[i] = c.closed[i].Load()
	}
	return st
}
