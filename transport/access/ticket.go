package access

import (
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// TicketLife is how long a ticket waits to be used.
const TicketLife = 30 * time.Second

// tickets are those that wait to be used: they open one stream or socket, for
// clients that can put no header on a request. This instance alone knows them.
type tickets struct {
	max int // fixed

	mu    sync.Mutex
	all   map[hash]ticket
	order []hash       // as they were made, so as they expire; may hold some that were used
	of    map[hash]int // how many wait, by the source of their grant
}

type ticket struct {
	grant *Grant
	until time.Time
}

// share is the part of the table that one token, or one subject of JWTs, may have.
const share = 4

// A TicketAnswer is what POST /tickets answers.
type TicketAnswer struct {
	Ticket    string `json:"ticket"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// Issue makes a ticket for a request that was admitted. A request that came with a ticket
// gets no other one: it would last for ever.
func (g *Gate) Issue(ctx *fasthttp.RequestCtx) (TicketAnswer, refusal.Reason, bool) {
	no := BadTicket
	if len(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)) > 0 || GrantOf(ctx).anonymous() {
		var t string
		if t, no = g.Ticket(GrantOf(ctx), ctx.Time()); no == Granted {
			return TicketAnswer{t, int(TicketLife / time.Second)}, 0, true
		}
	}
	challenge(ctx, no, Consume)
	return TicketAnswer{}, no.Reason(), false
}

// Ticket makes a ticket for a grant that may consume. It carries that right and no
// other.
func (g *Gate) Ticket(grant *Grant, now time.Time) (string, Refusal) {
	switch {
	case g == nil || grant.anonymous():
		return "", MissingCredential
	case !grant.Rights.Has(Consume):
		return "", MissingRole
	}
	t := random()
	if !g.tickets.add(hashOf([]byte(t)), grant, now) {
		return "", TooManyTickets
	}
	return t, Granted
}

func (t *tickets) add(h hash, grant *Grant, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purgeLocked(now)
	if len(t.all) >= t.max || t.of[grant.source.hash] >= max(1, t.max/share) {
		return false
	}
	if t.all == nil {
		t.all, t.of = map[hash]ticket{}, map[hash]int{}
	}
	t.all[h] = ticket{grant, now.Add(TicketLife)}
	t.order = append(t.order, h)
	t.of[grant.source.hash]++
	return true
}

// take uses a ticket. A ticket that is shown at the wrong place is used, too.
func (t *tickets) take(h hash, now time.Time) *Grant {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purgeLocked(now)
	found, ok := t.all[h]
	if !ok {
		return nil
	}
	t.dropLocked(h, found)
	return found.grant
}

// purgeLocked drops what is too old, and from the order what was used: at once if
// nothing older waits, otherwise when it is most of the order.
func (t *tickets) purgeLocked(now time.Time) {
	n := 0
	for ; n < len(t.order); n++ {
		h := t.order[n]
		found, ok := t.all[h]
		if ok && now.Before(found.until) {
			break
		}
		if ok {
			t.dropLocked(h, found)
		}
	}
	t.order = t.order[n:]
	switch {
	case len(t.order) == 0:
		t.order = nil
	case len(t.order) > 2*len(t.all)+16:
		t.order = slices.DeleteFunc(t.order, func(h hash) bool { _, waits := t.all[h]; return !waits })
	}
}

func (t *tickets) dropLocked(h hash, found ticket) {
	delete(t.all, h)
	whose := found.grant.source.hash
	if t.of[whose]--; t.of[whose] == 0 {
		delete(t.of, whose)
	}
}

func (t *tickets) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// redeem is the grant of a ticket, as it is now.
func (g *Gate) redeem(credential []byte, now time.Time) (*Grant, Refusal) {
	if !isCredential(credential) {
		return nil, BadTicket
	}
	if now.IsZero() {
		now = time.Now()
	}
	before := g.tickets.take(hashOf(credential), now)
	if before == nil {
		return nil, BadTicket
	}
	grant := g.reign.now.Load().find(before)
	if !before.stillStands(grant) || grant.expired(now) {
		return nil, BadTicket
	}
	return grant, Granted
}
