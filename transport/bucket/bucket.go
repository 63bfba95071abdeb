// Package bucket counts events against rates, for callers that come side by side.
package bucket

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Bucket lets so many events in per second, and a burst at once.
//
// It looks at the clock with its lock held. A [rate.Limiter] alone does not: a caller that
// looked, and then waited for the lock, would turn the limiter's clock back, and the time
// since would be credited once more. With hundreds of callers that is most of it.
type Bucket struct {
	perSecond float64
	burst     int

	mu      sync.Mutex // guards limiter; held while the clock is read
	limiter *rate.Limiter
}

// New is a full bucket.
func New(perSecond float64, burst int) *Bucket {
	return &Bucket{perSecond: perSecond, burst: burst, limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// PerSecond is a full bucket that lets a second's events in at once, and one at least. It is
// nil, which is no limit, if there are none per second.
func PerSecond(n float64) *Bucket {
	if n <= 0 {
		return nil
	}
	return New(n, max(1, int(min(n, math.MaxInt32))))
}

// Rate is in events per second.
func (b *Bucket) Rate() float64 { return b.perSecond }

// Burst is how many events may come at once.
func (b *Bucket) Burst() int { return b.burst }

// Take counts n events if there is room for all of them. Otherwise it reports false, and
// counts up to price, as far as there is room.
func (b *Bucket) Take(n, price int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.limiter.AllowN(now, n) {
		return true
	}
	if n := min(price, int(b.limiter.TokensAt(now))); n > 0 {
		b.limiter.AllowN(now, n)
	}
	return false
}

// Give gives n events back that were taken.
func (b *Bucket) Give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limiter.AllowN(time.Now(), -n)
}

// Left is how many events there is room for.
func (b *Bucket) Left() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limiter.TokensAt(time.Now())
}
