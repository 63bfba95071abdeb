package cmcd

import (
	"bytes"
	"hash/maphash"
)

// members keeps the names of one JSON object unique. A key that comes again takes the
// first one's member away: the last wins (RFC 8941, section 4.2.2). While the object is
// written both are in it; end takes the earlier ones out, all in one pass, so that a
// sender who repeats a thousand keys pays no more for each than for a new one.
type members struct {
	start  int // of the first member in the output
	n      int
	seen   [8]uint64 // a bit for each hash of a name: nearly always it shows that a key is new
	hashes [fewMembers]uint32
	twice  bool // a key may have come again
}

// fewMembers is how many names are compared exactly while the object is written.
const fewMembers = 64

// begin begins a member: comma, name and colon. It reports false if there are too
// many.
func (m *members) begin(out, key []byte) ([]byte, bool) {
	if m.n == 0 {
		m.start = len(out)
	}
	if m.n == maxMembers {
		return out, false
	}
	m.note(hashOf(key))
	if len(out) > m.start {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, key...)
	return append(out, `":`...), true
}

// note remembers the hash of a name, and whether it may have come before.
func (m *members) note(hash uint32) {
	word, bit := &m.seen[hash>>6%8], uint64(1)<<(hash%64)
	if *word&bit != 0 && !m.twice {
		m.twice = m.n > fewMembers
		for _, h := range m.hashes[:min(m.n, fewMembers)] {
			m.twice = m.twice || h == hash
		}
	}
	*word |= bit
	if m.n < fewMembers {
		m.hashes[m.n] = hash
	}
	m.n++
}

// seed makes hashes ones that no sender can work out: otherwise he could look for names
// that all have the same one.
var seed = maphash.MakeSeed()

func hashOf(key []byte) uint32 { return uint32(maphash.Bytes(seed, key)) }

// A member is where one stands in the output, from the quote of its name to the end of
// its value.
type member struct{ from, name, to int }

// end ends the object, whose brace is not written yet.
func (m *members) end(out []byte) []byte {
	switch {
	case !m.twice:
		return out
	case m.n <= fewMembers:
		var all [fewMembers]member
		var last [2 * fewMembers]int16
		return m.unique(out, all[:], last[:])
	}
	// Not on the stack, which each connection would keep as large as this call needed it.
	return m.unique(out, make([]member, m.n), make([]int16, 2*m.n))
}

// unique takes the earlier members of each name out. all has room for the members, and
// last, by hash, for 1 + the member that comes last with its name, twice as much. Both
// are zero.
func (m *members) unique(out []byte, all []member, last []int16) []byte {
	n := 0
	for at := m.start; at < len(out); n++ {
		name := bytes.IndexByte(out[at+1:], '"')
		to := memberEnd(out, at+1+name+2)
		all[n] = member{at, name, to}
		at = to + 1
	}
	key := func(i int) []byte { return out[all[i].from+1:][:all[i].name] }
	for i := n - 1; i >= 0; i-- {
		slot := hashOf(key(i)) % uint32(len(last))
		for last[slot] != 0 && !bytes.Equal(key(int(last[slot]-1)), key(i)) {
			slot = (slot + 1) % uint32(len(last))
		}
		if last[slot] == 0 {
			last[slot] = int16(i + 1)
		} else {
			all[i].to = 0 // a later one wins
		}
	}
	kept := m.start
	for _, one := range all[:n] {
		if one.to == 0 {
			continue
		}
		if kept > m.start {
			out[kept] = ','
			kept++
		}
		kept += copy(out[kept:], out[one.from:one.to])
	}
	return out[:kept]
}

// memberEnd is where the value at i ends: at a comma, or with the output.
func memberEnd(out []byte, i int) int {
	depth := 0
	for ; i < len(out); i++ {
		switch out[i] {
		case '"':
			for i++; out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
