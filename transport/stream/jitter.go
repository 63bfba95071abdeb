package stream

import (
	"math/rand/v2"
	"time"
)

// Jitter is a random duration between low and high, so that consumers that were
// sent away together do not come back together.
func Jitter(low, high time.Duration) time.Duration {
	return low + rand.N(high-low)
}
