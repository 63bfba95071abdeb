package consumer

// track follows the sequences of one producer through one stream. Sequences
// rise by one unless events were skipped; each jump leaves a gap, and a
// sequence that comes later is either from a gap, so out of order, or a
// duplicate.
type track struct {
	last uint64
	gaps []gap // oldest first
}

// gap is the sequences jumped over: from first to last.
type gap struct{ first, last uint64 }

type verdict uint8

const (
	inOrder verdict = iota
	outOfOrder
	duplicate
)

// maxGaps bounds what is remembered. A late sequence from a gap forgotten
// counts as a duplicate; either is an error.
const maxGaps = 64

// take judges the next sequence and returns by how much it changes the number
// of missing ones. The first sequence that a stream sees leaves no gap.
func (t *track) take(seq uint64) (v verdict, missing int64) {
	if t.last == 0 {
		t.last = seq
		return inOrder, 0
	}
	if seq > t.last {
		missing = int64(seq - t.last - 1)
		if missing > 0 {
			if len(t.gaps) == maxGaps {
				t.gaps = append(t.gaps[:0], t.gaps[1:]...)
			}
			t.gaps = append(t.gaps, gap{t.last + 1, seq - 1})
		}
		t.last = seq
		return inOrder, missing
	}
	for i, g := range t.gaps {
		if seq < g.first || seq > g.last {
			continue
		}
		var parts []gap
		if seq > g.first {
			parts = append(parts, gap{g.first, seq - 1})
		}
		if seq < g.last {
			parts = append(parts, gap{seq + 1, g.last})
		}
		t.gaps = append(t.gaps[:i:i], append(parts, t.gaps[i+1:]...)...)
		return outOfOrder, -1
	}
	return duplicate, 0
}
