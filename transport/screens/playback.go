package screens

// A playback is a socket's way through a replay. The socket's lock guards it.
type playback struct {
	share
	next   int32   // the first event that is not written
	passed marks   // replayed events that were superseded by a live one
	early  []early // live events that look older than the replay, oldest first
}

// more reports whether some of the replay is not written yet.
func (p *playback) more() bool { return int(p.next) < p.len() }

// rest is how many events of the user are not written yet.
func (p *playback) rest(user string) (n int) {
	for i := p.next; int(i) < p.len(); i = p.from(i+1, user) {
		n++
	}
	return n
}

// pass notes that the age of a replayed event does not count any more.
func (p *playback) pass(i int32) {
	if p.len() == 0 {
		return // it is not known any more
	}
	if p.passed == nil {
		p.passed = newMarks(p.len())
		p.budget.list(p.passed.size())
	}
	p.passed.set(i)
}

// held is the bytes of the early events.
func (p *playback) held() (sum int64) {
	for _, e := range p.early {
		sum += e.size
	}
	return sum
}

// forget lets go of the replay, and keeps the early events.
func (p *playback) forget() {
	if p.replay != nil {
		p.budget.list(-p.without.size() - p.passed.size())
	}
	p.release()
	p.share, p.next, p.passed = share{}, 0, nil
}

// clear lets go of all.
func (p *playback) clear() {
	for _, e := range p.early {
		e.drop()
	}
	p.early = nil
	p.forget()
}
