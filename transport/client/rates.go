package client

import (
	"net/netip"
	"sync"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/bucket"
	"event-dispatcher/transport/refusal"
)

// maxLimitedClients bounds the table of clients, to some 20 MB. When it is full, a
// newcomer takes the place of a client that has sent little lately: a client that fills
// the table with names that he makes up loses those first.
const maxLimitedClients = 100_000

// Rates says whether an event may come in by rate: that of all clients together,
// and that of its own client.
type Rates struct {
	addresses *Addresses

	total *bucket.Bucket // nil: no limit

	// own is the limit that a request brings, which then stands for that of its
	// client; nil: it brings none. A nil own: none ever does.
	own func(*fasthttp.RequestCtx) *bucket.Bucket

	perClient float64 // 0: no limit

	mu      sync.Mutex // guards clients
	clients map[netip.Prefix]*bucket.Bucket
}

// NewRates limits the events per second of all clients together and of each. Zero
// means no limit. own, which may be nil, is the limit of the one who asks, if he has
// one himself.
func NewRates(total, perClient float64, addresses *Addresses, own func(*fasthttp.RequestCtx) *bucket.Bucket) *Rates {
	return &Rates{addresses: addresses, own: own, perClient: perClient, total: bucket.PerSecond(total), clients: map[netip.Prefix]*bucket.Bucket{}}
}

// Any reports whether there is a limit at all.
func (l *Rates) Any() bool { return l.total != nil || l.perClient > 0 || l.own != nil }

// Allow counts the event of a request against the rates of its client and of all. ctx has
// no time yet while the body is expected.
func (l *Rates) Allow(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	m, reason := l.allow(ctx, 1, 0, 0)
	return reason, m > 0
}

// AllowRest counts a batch of n events, of which some are counted already: all or none, so
// that a client which is told to wait can send the same again. Only of more than a whole
// second's events, which could never come in, the first ones are let in. m says how many
// are of all n; rest, if that is less than n, why the others are not.
//
// A batch that stays out still costs its client what is counted already, or least if that
// is more: to unpack it and to count its events was work. To all clients together it is given
// back: otherwise batches that are tried again and again would use the rate up, and none
// would come in.
func (l *Rates) AllowRest(ctx *fasthttp.RequestCtx, n, counted, least int) (m int, rest refusal.Reason) {
	if m, rest = l.allow(ctx, n, counted, max(least-counted, 0)); m == 0 && l.total != nil {
		l.total.Give(counted)
	}
	return m, rest
}

// allow counts n events of which some are counted already. If they stay out, price more
// cost their client as far as it has them.
func (l *Rates) allow(ctx *fasthttp.RequestCtx, n, counted, price int) (m int, rest refusal.Reason) {
	m = n
	most := func(of *bucket.Bucket, r refusal.Reason) {
		if of != nil && of.Burst() < m {
			m, rest = of.Burst(), r
		}
	}
	own := l.of(ctx)
	most(own, refusal.ClientLimit)
	most(l.total, refusal.Overloaded)
	n = m - counted
	switch {
	case own != nil && !own.Take(n, price):
		return 0, refusal.ClientLimit
	case l.total != nil && !l.total.Take(n, 0):
		if own != nil && n > price {
			own.Give(n - price)
		}
		return 0, refusal.Overloaded
	}
	return m, rest
}

// of is the limit of a request: the one that it brings, or that of its client. nil: there
// is none.
func (l *Rates) of(ctx *fasthttp.RequestCtx) *bucket.Bucket {
	if l.own != nil {
		if own := l.own(ctx); own != nil {
			return own
		}
	}
	if l.perClient <= 0 {
		return nil
	}
	return l.client(l.addresses.Of(ctx))
}

// Charge counts a request that may be refused as an event of its client, before it costs
// something. It reports false if the client has used its rate up.
func (l *Rates) Charge(ctx *fasthttp.RequestCtx) bool {
	return l.perClient <= 0 || l.client(l.addresses.Of(ctx)).Take(1, 0)
}

// Refund gives back what Charge counted.
func (l *Rates) Refund(ctx *fasthttp.RequestCtx) {
	if l.perClient > 0 {
		l.client(l.addresses.Of(ctx)).Give(1)
	}
}

// client is the limit of a client.
func (l *Rates) client(addr netip.Addr) *bucket.Bucket {
	key := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[key]
	if c == nil {
		if len(l.clients) >= maxLimitedClients {
			l.evictLocked()
		}
		c = bucket.PerSecond(l.perClient)
		l.clients[key] = c
	}
	return c
}

// evictionSample is how many clients are looked at to find one that can be forgotten.
const evictionSample = 16

// evictLocked forgets one client: of some, the one whose bucket is fullest. If it is full
// that changes nothing; otherwise the client may send a little more than its rate.
func (l *Rates) evictLocked() {
	var victim netip.Prefix
	most, looked := -1.0, 0
	for key, c := range l.clients { // begins anywhere
		left := c.Left()
		if left > most {
			victim, most = key, left
		}
		if looked++; looked == evictionSample || left >= float64(c.Burst()) {
			break
		}
	}
	delete(l.clients, victim)
}
