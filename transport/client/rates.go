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
	now := time.Now() // ctx has none yet while the body is expected
	if l.perClient > 0 && !l.allowClient(l.addresses.Of(ctx), now) {
		return refusal.ClientLimit, false
	}
	if !l.allowAll(now) {
		return refusal.Overloaded, false
	}
	return 0, true
}

func (l *Rates) allowAll(now time.Time) bool { return l.total == nil || l.total.AllowN(now, 1) }

// allowClient counts an event of the client.
func (l *Rates) allowClient(addr netip.Addr, now time.Time) bool {
	key := Network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[key]
	if c == nil {
		if len(l.clients) >= maxLimitedClients {
			l.evict(now)
		}
		if len(l.clients) >= maxLimitedClients {
			return l.crowd.AllowN(now, 1)
		}
		c = &clientLimit{Limiter: rate.NewLimiter(l.perClient, l.burst)}
		l.clients[key] = c
	}
	c.seen = now
	return c.AllowN(now, 1)
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
