package screens

import "time"

// A SocketInfo describes one session socket at one moment.
type SocketInfo struct {
	Addr     string    `json:"address"`
	Practice string    `json:"practice"`
	User     string    `json:"user"`
	Since    time.Time `json:"since"`   // zero until what is replayed is known
	Waiting  int       `json:"waiting"` // events, without those that are replayed
	Bytes    int64     `json:"waiting_bytes"`
}

// Inspect lists the sockets.
func (h *Hub) Inspect() []SocketInfo {
	list := []SocketInfo{}
	for _, s := range h.rooms.list() {
		list = append(list, s.info())
	}
	return list
}

func (s *socket) info() SocketInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SocketInfo{
		Addr: s.conn.RemoteAddr().String(), Practice: s.user.practice, User: s.user.name,
		Since: s.opened, Waiting: len(s.queue.frames), Bytes: s.queue.bytes,
	}
}
