package ws

import (
	"errors"
	"time"
)

// What a peer sends is read and thrown away, which costs time. So it may send flowRate
// bytes a second, and flowBurst at once; each frame that is whole counts for frameCost
// bytes more.
const (
	flowRate  = 64 << 10
	flowBurst = 512 << 10
	frameCost = 64
)

// errFlood says that a peer sends more than that.
var errFlood = errors.New("ws: the peer sends too much")

// A flow is what a peer may send. Its zero value is one that nothing was taken from.
type flow struct {
	taken int64 // bytes that are not paid back yet
	at    time.Duration
}

// take takes n bytes.
func (f *flow) take(n int) error {
	now := time.Since(epoch)
	back := int64(min(now-f.at, flowBurst*time.Second/flowRate) * flowRate / time.Second)
	if f.taken -= back; f.taken < 0 {
		f.taken = 0
	}
	if back > 0 {
		f.at = now
	}
	if f.taken += int64(n); f.taken > flowBurst {
		return errFlood
	}
	return nil
}
