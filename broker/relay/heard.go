package relay

import "time"

// subscribed reports whether all that is wanted is heard.
func (s *subscriber) subscribed() bool {
	return s.all(func(e *ear) bool { return e != nil && e.stands })
}

// hearsAll reports whether all channels that there are have been heard for so long.
func (s *subscriber) hearsAll(long time.Duration) bool {
	now := time.Now()
	return s.everything() && s.all(func(e *ear) bool { return e != nil && e.stands && now.Sub(e.since) > long })
}

// everything reports whether every shard is wanted.
func (s *subscriber) everything() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards == 0 || s.wanted == 1<<s.shards-1
}

// well reports the same as subscribed, but gives a subscription that was just begun its time.
func (s *subscriber) well() bool {
	now := time.Now()
	return s.all(func(e *ear) bool {
		return e == nil || e.stands || !e.stood && now.Sub(e.since) < opening
	})
}

// all reports whether ok holds for the ears of all that is wanted; nil where there is none yet.
func (s *subscriber) all(ok func(*ear) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return false
	}
	parts, _ := s.parts(time.Now())
	for part := range parts {
		e := s.hearing[part]
		if e != nil && e.over {
			e = nil
		}
		if !ok(e) {
			return false
		}
	}
	return true
}

// standing is how many channels are heard.
func (s *subscriber) standing() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.hearing {
		if e.stands {
			n++
		}
	}
	return n
}

// standsSince is from when on the channel of the name itself is heard, if it is.
func (s *subscriber) standsSince() (since time.Time, stands bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.hearing[""]
	if e == nil || !e.stands {
		return time.Time{}, false
	}
	return e.since, true
}

// thrownAway is how many messages came faster than they could be taken.
func (s *subscriber) thrownAway() uint64 {
	s.mu.Lock()
	in := s.in
	s.mu.Unlock()
	n := s.inbox.overflows.Load()
	if in != nil {
		n += in.Overflows()
	}
	return n
}
