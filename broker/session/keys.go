package session

import "strings"

// keys makes the names in Redis. The names of a member's keys are
//
//	prefix + [practice "/"] + user + ":" + suffix
//
// with practice and user escaped, so that neither can contain "/" or ":".
type keys struct {
	prefix          string
	defaultPractice string
}

func (k keys) users() string { return k.prefix + "users" }

// name is the member as it stands in the set of users.
func (k keys) name(who member) string {
	if who.practice == k.defaultPractice {
		return escape(who.user)
	}
	return escape(who.practice) + "/" + escape(who.user)
}

// parse is the reverse of name; it fails for what name cannot have made.
func (k keys) parse(name string) (member, bool) {
	practice, user, found := strings.Cut(name, "/")
	if !found {
		practice, user = "", name
	}
	p, ok1 := unescape(practice)
	u, ok2 := unescape(user)
	if !ok1 || !ok2 || !ValidName(u) || found && p == "" {
		return member{}, false
	}
	if !found {
		p = k.defaultPractice
	}
	return member{fold(p), u}, true
}

func (k keys) event(who member, action string) string { return k.prefix + k.name(who) + ":" + action }
func (k keys) sockets(who member) string              { return k.prefix + k.name(who) + ":SOCKETS" }
func (k keys) practices(user string) string           { return k.prefix + escape(user) + ":PRACTICES" }

// members is the index of a practice other than the default one: no user's name is empty.
func (k keys) members(practice string) string { return k.prefix + escape(practice) + "/:USERS" }

// all is a pattern of all members' keys with a suffix, as redis-cli --scan --pattern takes it.
func (k keys) all(suffix string) string { return k.prefix + "*:" + suffix }

// mustEscape are the characters with a meaning: of the key's own punctuation, of
// the escape, and the braces by which a Redis Cluster finds the part to hash.
const mustEscape = ":/%{}"

const hexDigits = "0123456789ABCDEF"

// escape replaces those characters and control characters by %XX.
// Everything else stays, so that names are the original's.
func escape(s string) string {
	special := func(c byte) bool { return c < ' ' || c == 0x7f || strings.IndexByte(mustEscape, c) >= 0 }
	clean := true
	for i := range len(s) {
		clean = clean && !special(s[i])
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; special(c) {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}
