package ring_test

import (
	"sync"
	"sync/atomic"
)

// The rivals of the benchmarks: the usual ways to broadcast, as small as they
// can be and still do the ring's job of keeping the latest events, each copied
// from its publisher, for readers that may be lapped.

const rivalBytes = 8 << 20 // retained, as benchOptions has it

// mutexRing is one byte ring guarded by a mutex; readers copy out under the lock.
type mutexRing struct {
	mu     sync.Mutex
	data   []byte
	end    uint64   // bytes ever written
	ends   []uint64 // where the events end, a ring too
	events uint64
}

func newMutexRing() log {
	return &mutexRing{data: make([]byte, rivalBytes), ends: make([]uint64, rivalBytes/64)}
}

func (m *mutexRing) publish(event []byte) {
	m.mu.Lock()
	at := m.end % rivalBytes
	if at+uint64(len(event)) > rivalBytes { // an event lies in one piece
		m.end += rivalBytes - at
		at = 0
	}
	copy(m.data[at:], event)
	m.end += uint64(len(event))
	m.ends[m.events%uint64(len(m.ends))] = m.end
	m.events++
	m.mu.Unlock()
}

func (m *mutexRing) consume(n int) func() {
	return spin(n, func() func() bool {
		var at, seen uint64
		out := make([]byte, 64<<10)
		return func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			if seen == m.events {
				return false
			}
			at = max(at, m.end-min(m.end, rivalBytes)) // lapped
			from := at % rivalBytes
			at += uint64(copy(out, m.data[from:min(from+m.end-at, rivalBytes)]))
			if at == m.end {
				seen = m.events
			}
			return true
		}
	})
}

// pointerRing has one atomic pointer per event, which the collector then frees.
type pointerRing struct {
	next  atomic.Uint64
	_     [56]byte
	slots [rivalBytes / benchBytes]atomic.Pointer[pointerEvent]
}

type pointerEvent struct {
	seq  uint64
	data []byte
}

func newPointerRing() log { return new(pointerRing) }

func (p *pointerRing) publish(event []byte) {
	e := &pointerEvent{seq: p.next.Add(1) - 1, data: append([]byte(nil), event...)}
	p.slots[e.seq%uint64(len(p.slots))].Store(e)
}

func (p *pointerRing) consume(n int) func() {
	return spin(n, func() func() bool {
		var want uint64
		out := make([]byte, 0, 64<<10)
		return func() bool {
			out = out[:0]
			for len(out) < 64<<10-benchBytes {
				e := p.slots[want%uint64(len(p.slots))].Load()
				if e == nil || e.seq < want {
					break
				}
				out = append(out, e.data...)
				want = e.seq + 1
			}
			return len(out) > 0
		}
	})
}

// channels has a channel per consumer; a full one loses the event.
type channels struct {
	consumers []chan []byte
}

func newChannels() log { return new(channels) }

func (c *channels) publish(event []byte) {
	shared := append([]byte(nil), event...)
	for _, ch := range c.consumers {
		select {
		case ch <- shared:
		default:
		}
	}
}

func (c *channels) consume(n int) func() {
	return spin(n, func() func() bool {
		ch := make(chan []byte, rivalBytes/benchBytes)
		c.consumers = append(c.consumers, ch)
		out := make([]byte, 0, 64<<10)
		return func() bool {
			out = out[:0]
			for len(out) < 64<<10-benchBytes {
				select {
				case event := <-ch:
					out = append(out, event...)
					continue
				default:
				}
				break
			}
			return len(out) > 0
		}
	})
}
