package client

import (
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

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

	total *rate.Limiter // nil: no limit

	// own is the limit that a request brings, which then stands for that of its
	// client; nil: it brings none. A nil own: none ever does.
	own func(*fasthttp.RequestCtx) *rate.Limiter

	perClient rate.Limit // 0: no limit
	burst     int

	mu      sync.Mutex
	clients map[netip.Prefix]*rate.Limiter
}

// NewRates limits the events per second of all clients together and of each. Zero
// means no limit. own, which may be nil, is the limit of the one who asks, if he has
// one himself.
func NewRates(total, perClient float64, addresses *Addresses, own func(*fasthttp.RequestCtx) *rate.Limiter) *Rates {
	l := &Rates{addresses: addresses, own: own, perClient: rate.Limit(perClient), burst: max(1, int(perClient)), clients: map[netip.Prefix]*rate.Limiter{}}
	if total > 0 {
		l.total = rate.NewLimiter(rate.Limit(total), max(1, int(total)))
	}
	return l
}

// Any reports whether there is a limit at all.
func (l *Rates) Any() bool { return l.total != nil || l.perClient > 0 || l.own != nil }

// Allow counts the event of a request against the rates of its client and of all.
func (l *Rates) Allow(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	m, reason := l.allow(ctx, time.Now(), 1, 0, 0)
	return reason, m > 0
}

// AllowRest counts the events of a batch of n, of which so many are counted already, all or
// none, so that a client which is told to wait can send the same again. Only of more than
// a whole second's events, which could never come in, the first ones are let in. m says
// how many are of all n; rest, if that is less than n, why the others are not.
//
// A batch that stays out costs its client what is counted already, or as many as least says,
// which pay for what was done to count it. To all clients together it is given back: otherwise batches that are tried
// again and again would use the rate up, and none would come in.
func (l *Rates) AllowRest(ctx *fasthttp.RequestCtx, n, counted, least int) (m int, rest refusal.Reason) {
	now := time.Now()
	if m, rest = l.allow(ctx, now, n, counted, max(least-counted, 0)); m == 0 && l.total != nil {
		l.total.AllowN(now, -counted)
	}
	return m, rest
}

// allow counts n events of which some are counted already. If they stay out, least more
// cost their client as far as it has them. ctx has no time yet while the body is expected.
func (l *Rates) allow(ctx *fasthttp.RequestCtx, now time.Time, n, counted, least int) (m int, rest refusal.Reason) {
	m = n
	most := func(burst int, r refusal.Reason) {
		if burst < m {
			m, rest = burst, r
		}
	}
	c := l.client(ctx, now)
	if c != nil {
		most(c.Burst(), refusal.ClientLimit)
	}
	if l.total != nil {
		most(l.total.Burst(), refusal.Overloaded)
	}
	n = m - counted
	switch {
	case c != nil && !take(c, now, n, least):
		return 0, refusal.ClientLimit
	case l.total != nil && !l.total.AllowN(now, n):
		if c != nil && n > least {
			c.AllowN(now, least-n) // gives back
		}
		return 0, refusal.Overloaded
	}
	return m, rest
}

// client is the limit of who asks: the one that the request brings, or that of its client.
// nil: there is none.
func (l *Rates) client(ctx *fasthttp.RequestCtx, now time.Time) *rate.Limiter {
	if l.own != nil {
		if own := l.own(ctx); own != nil {
			return own
		}
	}
	if l.perClient <= 0 {
		return nil
	}
	return l.limiter(l.addresses.Of(ctx), now)
}

// Spent reports whether the client of a request has used its rate up.
func (l *Rates) Spent(ctx *fasthttp.RequestCtx) bool {
	if l.perClient <= 0 {
		return false
	}
	key := Network(l.addresses.Of(ctx))
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[key]
	return c != nil && c.TokensAt(time.Now()) < 1
}

// Charge counts a request that was refused as an event of its client.
func (l *Rates) Charge(ctx *fasthttp.RequestCtx) {
	if l.perClient > 0 {
		now := time.Now()
		l.limiter(l.addresses.Of(ctx), now).AllowN(now, 1)
	}
}

// take counts n events if there is room for them, and otherwise up to least.
func take(l *rate.Limiter, now time.Time, n, least int) bool {
	if l.AllowN(now, n) {
		return true
	}
	l.AllowN(now, min(least, int(l.TokensAt(now))))
	return false
}

// limiter is the limit of a client.
func (l *Rates) limiter(addr netip.Addr, now time.Time) *rate.Limiter {
	key := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[key]
	if c == nil {
		if len(l.clients) >= maxLimitedClients {
			l.evict(now)
		}
		c = rate.NewLimiter(l.perClient, l.burst)
		l.clients[key] = c
	}
	return c
}

// evictionSample is how many clients are looked at to find one that can be forgotten.
const evictionSample = 16

// evict forgets one client: of some, the one whose bucket is fullest. If it is full
// that changes nothing; otherwise the client may send a little more than its rate.
func (l *Rates) evict(now time.Time) {
	var victim netip.Prefix
	most, looked := -1.0, 0
	for key, c := range l.clients { // begins anywhere
		if tokens := c.TokensAt(now); tokens > most {
			victim, most = key, tokens
		}
		if looked++; looked == evictionSample || most >= float64(l.burst) {
			break
		}
	}
	delete(l.clients, victim)
}
