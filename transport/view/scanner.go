package view

import "event-dispatcher/broker/jsonkey"

// A scanner finds the members of its tree in one pass over an event.
type scanner struct {
	tree  jsonkey.Tree
	found jsonkey.Found  // of the event that was scanned last
	spans []jsonkey.Span // memory of found
	ids   []int32
}

// renew follows a change of the tree.
func (s *scanner) renew() {
	s.found.Forget()
	if n := s.tree.Size(); n > len(s.spans) {
		// Twice of it, so that a storm of consumers does not copy it for each.
		s.spans, s.ids = make([]jsonkey.Span, 2*n), make([]int32, 2*n)
	}
	s.found = s.tree.Found(s.spans, s.ids)
}

// manyMembers is how many members a tree may have that nobody asks for any more,
// about 200 bytes each.
const manyMembers = 1024

// sparse reports whether it pays to make the tree anew.
func (s *scanner) sparse() bool {
	return s.tree.Size() > manyMembers && s.tree.Len() < s.tree.Size()/4
}
