package cmcd

import "bytes"

// members keeps the names of one JSON object unique while it is written. A key that
// comes again takes the first one's member away: the last wins (RFC 8941, section
// 4.2.2).
type members struct {
	start int // of the first member in the output
	n     int
	seen  [8]uint64 // a bit for each hash of a name: nearly always it shows that a key is new
}

// begin begins a member: comma, name and colon. It reports false if there are too
// many.
func (m *members) begin(out, key []byte) ([]byte, bool) {
	if m.n == 0 {
		m.start = len(out)
	}
	if m.n++; m.n > maxMembers {
		return out, false
	}
	hash := uint32(2166136261) // FNV-1a
	for _, c := range key {
		hash = (hash ^ uint32(c)) * 16777619
	}
	word, bit := &m.seen[hash>>6%8], uint64(1)<<(hash%64)
	if *word&bit != 0 {
		out = m.remove(out, key)
	}
	*word |= bit
	if len(out) > m.start {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, key...)
	return append(out, `":`...), true
}

// remove takes the member with the key out of the object, if there is one.
func (m *members) remove(out, key []byte) []byte {
	for at := m.start; at < len(out); {
		name := out[at+1:]
		end := bytes.IndexByte(name, '"')
		next := at + 1 + end + 2
		next = memberEnd(out, next)
		if bytes.Equal(name[:end], key) {
			switch {
			case next < len(out): // with the comma behind it
				return append(out[:at], out[next+1:]...)
			case at > m.start: // with the comma before it
				return out[:at-1]
			}
			return out[:at]
		}
		at = next + 1
	}
	return out
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
