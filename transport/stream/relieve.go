package stream

import (
	"cmp"
	"slices"
	"time"
)

// stalls is for how long a consumer has a piece before it may be one that stalls. One that is
// well may need as long for its first byte: it is far away, or a machine is busy.
const stalls = time.Second

// settles is for how long after that a socket may take bytes though nobody reads: as many as
// the peer's kernel has room for.
const settles = 100 * time.Millisecond

// A keeper is a laggard that has a piece.
type keeper struct {
	*consumer
	stalls bool
	weight float64 // its part of the piece, and for how long it took nothing
}

// relieve makes room for what c was lent: it closes laggards until what is kept is at most
// so much. First those go that may stall, those before others for whom most is kept for
// longest; then those that do not get on with the piece that they got in an earlier turn.
// Nobody else goes before c: within a turn no socket can say that it takes more, so all who
// fall behind in it, c among them, may be well.
func (l *loop) relieve(c *consumer, most int64) {
	var keepers []keeper
	now := time.Now()
	for _, k := range l.slots {
		if k == nil || k == c || k.lag == nil || k.lag.piece == nil {
			continue
		}
		g := k.lag
		quiet := now.Sub(g.progress)
		stalls := now.Sub(g.lent) >= stalls
		if !stalls && (g.turn == l.turn || g.progress.Sub(g.lent) > settles) {
			continue
		}
		keepers = append(keepers, keeper{k, stalls, float64(quiet) * float64(g.piece.size()) / float64(g.piece.keepers)})
	}
	slices.SortFunc(keepers, keeper.before)
	for _, k := range append(keepers, keeper{consumer: c}) {
		enough := most
		if k.stalls { // some room to spare: all were sorted for it
			enough -= most / 16
		}
		if l.stats.kept.Load() <= enough {
			return
		}
		l.close(k.consumer, ReasonMemory)
	}
	l.crowded = l.turn
}

// before orders keepers. Of those that may be well yet, who shares its piece with many goes
// late, as it would free little. Otherwise those go first that fell behind in an earlier
// turn, and of one turn who was served last.
func (k keeper) before(other keeper) int {
	if k.stalls && other.stalls {
		return cmp.Compare(other.weight, k.weight)
	}
	if k.stalls != other.stalls {
		if k.stalls {
			return -1
		}
		return 1
	}
	a, b := k.lag, other.lag
	return cmp.Or(cmp.Compare(a.piece.keepers, b.piece.keepers), cmp.Compare(a.turn, b.turn), b.lent.Compare(a.lent))
}
