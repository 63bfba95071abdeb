package access

import (
	"encoding/binary"
	"testing"
	"time"
)

// A subject that has used up its rate stays so while others come by the thousands.
func TestBucketsAreBoundedAndFair(t *testing.T) {
	b := &buckets{}
	now := time.Now()
	whose := func(n int) (h hash) {
		binary.BigEndian.PutUint64(h[:], uint64(n))
		return h
	}
	greedy := b.of(whose(-1), 5, now)
	greedy.AllowN(now, 5)
	for n := range 2 * maxBuckets {
		b.of(whose(n), 5, now)
	}
	if n := len(b.all); n != maxBuckets {
		t.Errorf("%d buckets; want %d", n, maxBuckets)
	}
	if b.of(whose(-1), 5, now) != greedy {
		t.Error("the bucket of one that sends too much was forgotten")
	}
}
