package cmcd

import (
	"hash/fnv"
	"strconv"
	"testing"
)

// Keys that all fall into one place by a hash which everybody can work out, here FNV-1a,
// do not here: each would cost as much as all before it.
func TestNobodyKnowsWhereAKeyFalls(t *testing.T) {
	t.Parallel()
	const places = 2 * maxMembers
	taken := map[uint32]bool{}
	for i, n := 0, 0; n < maxMembers; i++ {
		key := []byte("k" + strconv.Itoa(i))
		h := fnv.New32a()
		if h.Write(key); h.Sum32()%places == 7 {
			taken[hashOf(key)%places] = true
			n++
		}
	}
	if len(taken) < maxMembers/2 { // by chance it is four in five
		t.Errorf("%d keys fall into %d places of %d; want most of them apart", maxMembers, len(taken), places)
	}
}
