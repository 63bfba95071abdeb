package session

// A presence is what is known of a member with sockets.
type presence struct {
	sockets  int
	practice string // as the first of them wrote it
	entered  bool   // the server has the member among the active users, or had it
}

// presences are the members with sockets here, by practice, then user. The lock of the
// [Memory] guards them.
type presences map[string]map[string]presence

// join reports whether it was the member's first socket. practice is as it was written.
func (p presences) join(who member, practice string) (first bool) {
	users := p[who.practice]
	if users == nil {
		users = make(map[string]presence)
		p[who.practice] = users
	}
	here := users[who.user]
	if here.sockets == 0 {
		here.practice = practice
	}
	here.sockets++
	users[who.user] = here
	return here.sockets == 1
}

// leave reports whether it was the member's last socket.
func (p presences) leave(who member) (last bool) {
	users := p[who.practice]
	here := users[who.user]
	switch here.sockets {
	case 0:
		return false
	case 1:
		delete(users, who.user)
		if len(users) == 0 {
			delete(p, who.practice)
		}
		return true
	}
	here.sockets--
	users[who.user] = here
	return false
}

// enter notes that the server has a member among the active users, and reports whether that is
// news.
func (p presences) enter(who member) (news bool) {
	here, ok := p[who.practice][who.user]
	if !ok || here.entered {
		return false
	}
	here.entered = true
	p[who.practice][who.user] = here
	return true
}

// has reports whether the member has a socket.
func (p presences) has(who member) bool { return p[who.practice][who.user].sockets > 0 }

// in is the members of one practice.
func (p presences) in(practice string) []member {
	var all []member
	for user := range p[practice] {
		all = append(all, member{practice, user})
	}
	return all
}

// all is the members of all practices.
func (p presences) all() []member {
	all := make([]member, 0, p.users())
	for practice, users := range p {
		for user := range users {
			all = append(all, member{practice, user})
		}
	}
	return all
}

func (p presences) users() (n int) {
	for _, users := range p {
		n += len(users)
	}
	return n
}
