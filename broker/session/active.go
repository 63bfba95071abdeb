package session

// A presence is what is known of a member with sockets.
type presence struct {
	sockets  int
	practice string // as the first of them wrote it
}

// Join implements [Store].
func (m *Memory) Join(practice, user string) bool {
	m.join(m.practices.member(practice, user), practice)
	return false
}

// join reports whether it was the member's first socket here. practice is as it was written.
func (m *Memory) join(who member, practice string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	users := m.active[who.practice]
	if users == nil {
		users = make(map[string]presence)
		m.active[who.practice] = users
	}
	p := users[who.user]
	if p.sockets == 0 {
		p.practice = m.practices.written(who, practice)
	}
	p.sockets++
	users[who.user] = p
	if p.sockets == 1 {
		m.replaceLocked(who)
	}
	return p.sockets == 1
}

// Leave implements [Store].
func (m *Memory) Leave(practice, user string, keep bool) bool {
	who := m.practices.member(practice, user)
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.leaveLocked(who)
	if last && !keep {
		m.forgetLocked(who)
	}
	return last
}

// leave reports whether it was the member's last socket here.
func (m *Memory) leave(who member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaveLocked(who)
}

func (m *Memory) leaveLocked(who member) bool {
	users := m.active[who.practice]
	p := users[who.user]
	switch p.sockets {
	case 0:
		return false
	case 1:
		delete(users, who.user)
		if len(users) == 0 {
			delete(m.active, who.practice)
		}
		m.replaceLocked(who)
		return true
	}
	p.sockets--
	users[who.user] = p
	return false
}

// ofActive is what is stored of a practice's active users.
func (m *Memory) ofActive(practice string) (found []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for user := range m.active[practice] {
		found = m.latestLocked(found, member{practice, user})
	}
	return found
}

// here is the members that have sockets.
func (m *Memory) here() []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]member, 0, m.usersLocked())
	for practice, users := range m.active {
		for user := range users {
			all = append(all, member{practice, user})
		}
	}
	return all
}

// hereIn is the members of one practice that have sockets.
func (m *Memory) hereIn(practice string) []member {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []member
	for user := range m.active[practice] {
		all = append(all, member{practice, user})
	}
	return all
}

// isHere reports whether the member has a socket.
func (m *Memory) isHere(who member) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active[who.practice][who.user].sockets > 0
}

// written is the member's practice as the first of its sockets wrote it.
func (m *Memory) written(who member) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.practices.written(who, m.active[who.practice][who.user].practice)
}

func (m *Memory) usersLocked() (n int) {
	for _, users := range m.active {
		n += len(users)
	}
	return n
}
