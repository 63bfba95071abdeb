package relay

// An arrival is a message in the inbox.
type arrival struct {
	text string
	base bool   // it came by the channel of the name itself
	term uint64 // number of the subscription; its first message reports no gap
}

// thrownAway is how many messages came faster than they could be taken.
func (s *subscriber) thrownAway() uint64 {
	s.mu.Lock()
	in := s.in
	s.mu.Unlock()
	n := s.overflows.Load()
	if in != nil {
		n += in.Overflows()
	}
	return n
}

// put never waits: the client library reads nothing while it runs, the answers
// to its PINGs included.
//
// An inbox that was full takes nothing until it is half empty. So what is lost is
// one gap of many messages, not many gaps of few: each costs the broker a segment.
func (s *subscriber) put(a arrival) {
	full := s.full.Load()
	if full && len(s.inbox) <= cap(s.inbox)/2 && s.waiting.Load() <= inboxBytes/2 {
		full = false
		s.full.Store(false)
	}
	if !full {
		if s.waiting.Add(int64(len(a.text))) <= inboxBytes {
			select {
			case s.inbox <- a:
				return
			default:
			}
		}
		s.waiting.Add(-int64(len(a.text)))
		s.full.Store(true)
	}
	s.overflows.Add(1) // the next envelope's sequence tells how many events these were
}

// took notes that a message has left the inbox.
func (s *subscriber) took(a arrival) { s.waiting.Add(-int64(len(a.text))) }
