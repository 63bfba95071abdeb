package websocket

import "time"

// What a peer sends is read and thrown away, which costs time. So it may send flowRate
// bytes a second, and flowBurst at once; each frame that is whole counts for frameCost
// bytes more.
const (
	flowRate  = 64 << 10
	flowBurst = 512 << 10
	frameCost = 64
)

var epoch = time.Now()

// A flow is what a peer may send. Its zero value is one that nothing was taken from.
type flow struct {
	taken int32         // bytes that are not paid back yet
	at    time.Duration // since epoch
}

// take takes n bytes.
func (f *flow) take(n int) *breach { return f.takeAt(n, time.Since(epoch)) }

func (f *flow) takeAt(n int, now time.Duration) *breach {
	back := int64(min(now-f.at, flowBurst*time.Second/flowRate) * flowRate / time.Second)
	if back > 0 {
		f.at = now
	}
	taken := max(0, int64(f.taken)-back) + int64(n)
	f.taken = int32(min(taken, flowBurst+1))
	if taken > flowBurst {
		return errFlood
	}
	return nil
}
