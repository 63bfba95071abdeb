package broker

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// A ShardSet is a set of shards: bit i is shard i.
type ShardSet uint64

// AllShards is the set of all shards of the broker.
func (b *Broker) AllShards() ShardSet { return ShardSet(1)<<len(b.rings) - 1 }

// ParseShards reads a comma-separated list of shard numbers, such as "0,2".
// Empty means all shards.
func (b *Broker) ParseShards(list string) (ShardSet, error) {
	if list == "" {
		return b.AllShards(), nil
	}
	var set ShardSet
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseUint(field, 10, 8)
		if err != nil || int(n) >= len(b.rings) {
			return 0, fmt.Errorf("shards: want numbers from 0 to %d, separated by commas", len(b.rings)-1)
		}
		set |= 1 << n
	}
	return set, nil
}

// Len is the number of shards in the set.
func (s ShardSet) Len() int { return bits.OnesCount64(uint64(s)) }

// All yields the shards of the set in order.
func (s ShardSet) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(bits.TrailingZeros64(uint64(s))) {
				return
			}
		}
	}
}
