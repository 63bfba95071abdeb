package relay

import "sync/atomic"

// An inbox has the messages that came and were not taken yet, within bounds.
type inbox struct {
	arrivals  chan arrival  // one goroutine receives
	full      atomic.Bool   // see put
	waiting   atomic.Int64  // bytes
	overflows atomic.Uint64 // messages that did not fit
}

// An arrival is a message in the inbox.
type arrival struct {
	text string
	base bool   // it came by the channel of the name itself
	term uint64 // number of the subscription; its first message reports no gap
}

// Bounds of an inbox.
const (
	inboxMessages = 1024
	inboxBytes    = 32 << 20
)

func newInbox(messages int) inbox { return inbox{arrivals: make(chan arrival, messages)} }

// put never waits: the client library reads nothing while it runs, the answers
// to its PINGs included.
//
// An inbox that was full takes nothing until it is half empty. So what is lost is
// one gap of many messages, not many gaps of few: each costs the broker a segment.
func (b *inbox) put(a arrival) {
	full := b.full.Load()
	if full && len(b.arrivals) <= cap(b.arrivals)/2 && b.waiting.Load() <= inboxBytes/2 {
		full = false
		b.full.Store(false)
	}
	if !full {
		if b.waiting.Add(int64(len(a.text))) <= inboxBytes {
			select {
			case b.arrivals <- a:
				return
			default:
			}
		}
		b.waiting.Add(-int64(len(a.text)))
		b.full.Store(true)
	}
	b.overflows.Add(1) // the next envelope's sequence tells how many events these were
}

// took notes that a message has left the inbox.
func (b *inbox) took(a arrival) { b.waiting.Add(-int64(len(a.text))) }
