package access

import (
	"bytes"
	"encoding/binary"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
)

// A Memo is what a connection remembers of the credentials that were good last.
// The zero Memo is that of a new connection. It belongs to the goroutine that
// serves the connection.
type Memo struct{ last *known }

// known is a credential that was good. One is shared by all connections that
// brought it.
type known struct {
	header []byte // as most clients write it
	grant  *Grant
	under  uint64 // number of the state: a connection must not keep a state alive
}

// Check says whether a request may have what needs the right. It looks at nothing
// but the head. memo may be nil.
func (g *Gate) Check(ctx *fasthttp.RequestCtx, memo *Memo, need Right) (*Grant, Refusal) {
	if g == nil {
		return everybody, Granted
	}
	if need == None {
		return g.reign.now.Load().anonymous, Granted
	}
	return g.check(ctx, memo, need, nil)
}

// A Meter bounds how often a client has a signature verified for nothing, which takes 30
// to 100 µs, and a millisecond if there are hundreds of claims.
type Meter interface {
	Charge(*fasthttp.RequestCtx) bool // false: the request's client may not go on
	Refund(*fasthttp.RequestCtx)      // its JWT was good
}

func (g *Gate) check(ctx *fasthttp.RequestCtx, memo *Memo, need Right, meter Meter) (*Grant, Refusal) {
	s := g.reign.now.Load()
	grant, refusal := g.who(ctx, s, memo, need, meter)
	switch {
	case refusal != Granted:
		return nil, refusal
	case grant.Rights.Has(need):
		return grant, Granted
	case grant.anonymous():
		return nil, MissingCredential
	}
	return nil, MissingRole
}

// who is the grant of the credentials that a request brings. Credentials in two
// places, or two of a kind, are none (RFC 6750, section 2).
func (g *Gate) who(ctx *fasthttp.RequestCtx, s *state, memo *Memo, need Right, meter Meter) (*Grant, Refusal) {
	now := ctx.Time()
	var header []byte
	all := ctx.Request.Header.PeekAll(fasthttp.HeaderAuthorization) // good until the next PeekAll
	headers := len(all)
	if headers > 0 {
		header = all[0]
	}
	ticket, tickets := ticketOf(ctx, need)
	switch {
	case headers+tickets == 0:
		return s.anonymous, Granted
	case headers+tickets > 1:
		return nil, BadCredential
	case tickets == 1:
		grant, refusal := g.redeem(ticket, now)
		if refusal == Granted && need != Consume {
			return nil, BadTicket
		}
		return grant, refusal
	}
	return s.whose(ctx, header, memo, now, meter)
}

// maxMemo is how long a header may be that its connection remembers: there may be more
// connections than verified has room for.
const maxMemo = 2 << 10

// whose is the grant of an Authorization header.
func (s *state) whose(ctx *fasthttp.RequestCtx, header []byte, memo *Memo, now time.Time, meter Meter) (*Grant, Refusal) {
	if memo != nil && memo.last != nil && memo.last.under == s.number && sameSecret(header, memo.last.header) {
		return memo.last.grant.unless(now)
	}
	credential, ok := bearer(header)
	if !ok {
		return nil, BadCredential
	}
	if !isCredential(credential) {
		return nil, BadCredential
	}
	h := hashOf(credential)
	k := s.verified.get(h)
	if k == nil {
		grant := s.tokens[h] // comparing hashes tells nothing of tokens that are near
		if grant == nil {
			if len(s.issuers) == 0 || !isJWT(credential) {
				return nil, BadCredential
			}
			if meter != nil && !meter.Charge(ctx) {
				return nil, TooManyBad
			}
			var refusal Refusal
			if grant, refusal = s.verify(string(credential)); refusal != Granted {
				return nil, refusal
			}
			if meter != nil {
				meter.Refund(ctx)
			}
		}
		k = s.verified.add(h, &known{append([]byte("Bearer "), credential...), grant, s.number})
	}
	if memo != nil && len(header) <= maxMemo {
		memo.last = k
	}
	return k.grant.unless(now)
}

// sameSecret reports whether two secrets are equal, in a time that depends on their
// lengths only: a proxy may bring several clients by one connection. It looks at eight bytes
// at once, where subtle.ConstantTimeCompare takes some 300 ns for a JWT.
func sameSecret(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	var differ uint64
	for ; len(a) >= 8; a, b = a[8:], b[8:] {
		differ |= binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
	}
	for i := range a {
		differ |= uint64(a[i] ^ b[i])
	}
	return differ == 0
}

// unless refuses a grant that has expired.
func (g *Grant) unless(now time.Time) (*Grant, Refusal) {
	if g.expired(now) {
		return nil, ExpiredCredential
	}
	return g, Granted
}

// bearer is the token of an Authorization header (RFC 9110, section 11.4: the
// scheme in any case, then spaces).
func bearer(header []byte) ([]byte, bool) {
	const scheme = "bearer "
	if len(header) <= len(scheme) || !bytes.EqualFold(header[:len(scheme)], []byte(scheme)) {
		return nil, false
	}
	return bytes.TrimLeft(header[len(scheme):], " "), true
}

// ticketOf is the ticket of a request, and how many it has: as ?token=, or behind
// "bearer." among the subprotocols of a WebSocket.
func ticketOf(ctx *fasthttp.RequestCtx, need Right) (ticket []byte, n int) {
	// The HTTP server's parameters would be kept while a body is awaited, and take 50 times
	// their text.
	for query := ctx.URI().QueryString(); len(query) > 0; {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if value, ok := bytes.CutPrefix(pair, []byte("token=")); ok {
			ticket = unescaped(value)
			n++
		}
	}
	if need == Consume {
		if _, t := Subprotocol(&ctx.Request.Header); t != nil {
			ticket = t
			n++
		}
	}
	return ticket, n
}

// unescaped is the value of a parameter. One that cannot be decoded is no ticket either.
func unescaped(value []byte) []byte {
	if bytes.IndexByte(value, '%') < 0 {
		return value
	}
	decoded, err := url.QueryUnescape(string(value))
	if err != nil {
		return value
	}
	return []byte(decoded)
}

// protocol is the subprotocol of browsers that bring a ticket.
const (
	protocol       = "dispatcher"
	protocolTicket = "bearer."
)

// Subprotocol picks one of the subprotocols that a WebSocket client offers, and
// finds the ticket among them. A browser hangs up unless one of those that it
// offered is picked (WHATWG WebSockets, section 3.1), and none of ours means
// anything but "dispatcher": so without that, it is the first one. A ticket is
// never picked. Both are nil if there is none.
func Subprotocol(h *fasthttp.RequestHeader) (picked, ticket []byte) {
	for _, line := range h.PeekAll(fasthttp.HeaderSecWebSocketProtocol) {
		for offer := range bytes.SplitSeq(line, []byte{','}) {
			offer = bytes.Trim(offer, " \t")
			switch {
			case bytes.HasPrefix(offer, []byte(protocolTicket)):
				ticket = offer[len(protocolTicket):]
			case string(offer) == protocol:
				picked = offer
			case picked == nil && isToken(offer):
				picked = offer
			}
		}
	}
	return picked, ticket
}

// Protocol is the subprotocol that the answer to an upgrade picks; empty: none. One
// that offers nothing but a ticket is refused: a browser would hang up.
func Protocol(ctx *fasthttp.RequestCtx) (picked string, reason refusal.Reason, ok bool) {
	p, ticket := Subprotocol(&ctx.Request.Header)
	return string(p), refusal.Subprotocol, len(p) > 0 || ticket == nil
}

// isToken reports whether p is a token of HTTP (RFC 9110, section 5.6.2).
func isToken(p []byte) bool {
	for _, c := range p {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return len(p) > 0
}
