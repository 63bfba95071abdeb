package client

import (
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"event-dispatcher/transport/refusal"
)

// maxLimitedClients bounds the table of clients. When it is full, clients that
// have not sent for a while make room; if all have, newcomers share one limit.
const maxLimitedClients = 100_000

// Rates says whether an event may come in by rate: that of all clients together,
// and that of its own client.
type Rates struct {
	addresses *Addresses

	total *rate.Limiter // nil: no limit

	perClient rate.Limit // 0: no limit
	burst     int

	mu      sync.Mutex
	clients map[netip.Prefix]*clientLimit
	crowd   *rate.Limiter // of those for whom the table has no room
	evicted time.Time     // when room was last looked for
}

type clientLimit struct {
	*rate.Limiter
	seen time.Time
}

// NewRates limits the events per second of all clients together and of each. Zero
// means no limit.
func NewRates(total, perClient float64, addresses *Addresses) *Rates {
	l := &Rates{addresses: addresses, perClient: rate.Limit(perClient), burst: max(1, int(perClient)), clients: map[netip.Prefix]*clientLimit{}}
	if total > 0 {
		l.total = rate.NewLimiter(rate.Limit(total), max(1, int(total)))
	}
	l.crowd = rate.NewLimiter(l.perClient, l.burst)
	return l
}

// Any reports whether there is a limit at all.
func (l *Rates) Any() bool { return l.total != nil || l.perClient > 0 }

// Allow counts the event of a request against the rates of its client and of all.
func (l *Rates) Allow(ctx *fasthttp.RequestCtx) (refusal.Reason, bool) {
	_, reason, ok := l.AllowN(ctx, 1)
	return reason, ok
}

// AllowN counts n events of a request, all or none, so that a client which is told
// to wait can send the same again. Only of more than a whole second's events, which
// could never come in, the first ones are let in: m says how many.
func (l *Rates) AllowN(ctx *fasthttp.RequestCtx, n int) (m int, r refusal.Reason, ok bool) {
	now := time.Now() // ctx has none yet while the body is expected
	m = n
	if l.perClient > 0 {
		m = min(m, l.burst)
		if !l.allowClient(l.addresses.Of(ctx), now, m) {
			return 0, refusal.ClientLimit, false
		}
	}
	if l.total != nil {
		m = min(m, l.total.Burst())
		if !l.total.AllowN(now, m) {
			return 0, refusal.Overloaded, false
		}
	}
	return m, 0, true
}

// Beyond is why events are not let in of which AllowN let in the first m only.
func (l *Rates) Beyond(m int) refusal.Reason {
	if l.perClient > 0 && m == l.burst {
		return refusal.ClientLimit
	}
	return refusal.Overloaded
}

// allowClient counts n events of the client.
func (l *Rates) allowClient(addr netip.Addr, now time.Time, n int) bool {
	key := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[key]
	if c == nil {
		if len(l.clients) >= maxLimitedClients {
			l.evict(now)
		}
		if len(l.clients) >= maxLimitedClients {
			return l.crowd.AllowN(now, n)
		}
		c = &clientLimit{Limiter: rate.NewLimiter(l.perClient, l.burst)}
		l.clients[key] = c
	}
	c.seen = now
	return c.AllowN(now, n)
}

// evict drops clients whose bucket has filled up again: forgetting them changes
// nothing. It walks the whole table, so not for every newcomer of a flood.
func (l *Rates) evict(now time.Time) {
	if now.Sub(l.evicted) < time.Second {
		return
	}
	l.evicted = now
	full := time.Duration(float64(l.burst) / float64(l.perClient) * float64(time.Second))
	for key, c := range l.clients {
		if now.Sub(c.seen) > full {
			delete(l.clients, key)
		}
	}
}
