package access

import (
	"sync"

	"event-dispatcher/transport/bucket"
)

// maxBuckets is how many subjects of JWTs have a rate at a time.
const maxBuckets = 10_000

// buckets are the rates of those who bring JWTs, by [source.hash]: neither a new JWT
// nor a reload fills the bucket of a subject. When there are too many, one that has been
// used little lately is forgotten.
type buckets struct {
	mu  sync.Mutex
	all map[hash]*bucket.Bucket
}

// of is the bucket of somebody who may send so many events per second; nil: there is no
// limit. One of another size is replaced.
func (b *buckets) of(whose hash, perSecond float64) *bucket.Bucket {
	if perSecond <= 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.all[whose]
	if l != nil && l.Rate() == perSecond {
		return l
	}
	if b.all == nil {
		b.all = map[hash]*bucket.Bucket{}
	}
	if l == nil && len(b.all) >= maxBuckets {
		b.forgetLocked()
	}
	l = bucket.PerSecond(perSecond)
	b.all[whose] = l
	return l
}

// forgetLocked forgets one: of some, that which is most nearly full.
func (b *buckets) forgetLocked() {
	var victim hash
	most, looked := -1.0, 0
	for whose, l := range b.all { // begins anywhere
		if full := l.Left() / float64(l.Burst()); full > most {
			victim, most = whose, full
		}
		if looked++; looked == 16 || most >= 1 {
			break
		}
	}
	delete(b.all, victim)
}
