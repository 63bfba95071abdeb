package access

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
)

// A subject that has used up its rate stays so while others come by the thousands.
func TestBucketsAreBoundedAndFair(t *testing.T) { synctest.Test(t, testBuckets) }

func testBuckets(t *testing.T) {
	b := &buckets{}
	whose := func(n int) (h hash) {
		binary.BigEndian.PutUint64(h[:], uint64(n))
		return h
	}
	greedy := b.of(whose(-1), 5)
	greedy.Take(5, 0)
	for n := range 2 * maxBuckets {
		b.of(whose(n), 5)
	}
	if n := len(b.all); n != maxBuckets {
		t.Errorf("%d buckets; want %d", n, maxBuckets)
	}
	if b.of(whose(-1), 5) != greedy {
		t.Error("the bucket of one that sends too much was forgotten")
	}
}
