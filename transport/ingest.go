package transport

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/stream"
)

// ingestCounters are bumped for every event; each has its cache line.
type ingestCounters struct {
	received atomic.Uint64 // POSTs that came as far as the handler
	_        [56]byte
	bytes    atomic.Uint64 // bytes of accepted bodies
	_        [56]byte
}

const ingestMethods = "POST, OPTIONS"

// The frame around every event in the ring.
var (
	eventPrefix = []byte(stream.EventPrefix)
	eventSuffix = []byte(stream.EventSuffix)
)

// ingest serves POST /metrics: any JSON value, broadcast as it came.
func (s *Server) ingest(ctx *fasthttp.RequestCtx) {
	body, ok := s.takeEvent(ctx)
	if !ok {
		return
	}
	s.publish(ctx, body, nil, nil)
}

// ingestWithAddress serves POST /api/events: objects only, with the client's
// address added as the last member.
func (s *Server) ingestWithAddress(ctx *fasthttp.RequestCtx) {
	body, ok := s.takeEvent(ctx)
	if !ok {
		return
	}
	head, tail, empty, ok := splitObject(body)
	if !ok {
		s.reject(ctx, reasonNotObject)
		return
	}
	var space [80]byte // an address has 45 characters at most
	member := space[:0]
	if !empty {
		member = append(member, ',')
	}
	member = append(member, `"user_ip":"`...)
	if addr := s.clients.of(ctx); addr.IsValid() {
		member = addr.AppendTo(member)
	}
	member = append(member, '"')
	s.publish(ctx, head, member, tail)
}

// takeEvent checks a request and its body, and makes the body one line. It
// answers and reports false if the event is refused.
func (s *Server) takeEvent(ctx *fasthttp.RequestCtx) ([]byte, bool) {
	s.counters.received.Add(1)
	if reason, ok := s.admit(ctx); !ok {
		s.reject(ctx, reason)
		return nil, false
	}
	// A request that expects to be asked for its body was counted before it was.
	if s.limits.any() && !ctx.Request.MayContinue() {
		if reason, ok := s.withinLimits(ctx); !ok {
			s.reject(ctx, reason)
			return nil, false
		}
	}
	body := ctx.PostBody()
	if reason, ok := checkEvent(body); !ok {
		s.reject(ctx, reason)
		return nil, false
	}
	oneLine(body)
	return body, true
}

// admit decides what can be decided without the body.
func (s *Server) admit(ctx *fasthttp.RequestCtx) (Reason, bool) {
	if s.draining.Load() {
		return reasonDraining, false
	}
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && !bytes.EqualFold(enc, []byte("identity")) {
		return reasonEncoding, false
	}
	return 0, true
}

// withinLimits counts the event against the rates of its client and of all.
func (s *Server) withinLimits(ctx *fasthttp.RequestCtx) (Reason, bool) {
	now := time.Now() // ctx has none yet while the body is expected
	if s.limits.ofClients() && !s.limits.allowClient(s.clients.of(ctx), now) {
		return reasonClientLimit, false
	}
	if !s.limits.allowAll(now) {
		return reasonOverloaded, false
	}
	return 0, true
}

// checkEvent reports whether body is one JSON value in UTF-8. Nothing is decoded.
func checkEvent(body []byte) (Reason, bool) {
	switch {
	case len(body) == 0:
		return reasonEmptyBody, false
	case !json.Valid(body):
		if bytes.HasPrefix(body, []byte("\xEF\xBB\xBF")) {
			return reasonByteOrderMark, false
		}
		if !utf8.Valid(body) {
			return reasonInvalidUTF8, false
		}
		return reasonInvalidJSON, false
	case !utf8.Valid(body): // json.Valid does not look
		return reasonInvalidUTF8, false
	}
	return 0, true
}

// oneLine replaces each CR and LF of valid JSON by a space, in place. They can
// only stand between tokens, so the value is the same, and the event is one
// line of a stream.
func oneLine(event []byte) {
	for _, c := range [...]byte{'\n', '\r'} {
		for rest := event; ; {
			i := bytes.IndexByte(rest, c)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}

const space = " \t\r\n" // JSON's white space

// splitObject splits valid JSON before the brace that ends the object; ok is
// false if it is not an object, empty if it has no members.
func splitObject(event []byte) (head, tail []byte, empty, ok bool) {
	if trimmed := bytes.TrimLeft(event, space); trimmed[0] != '{' {
		return nil, nil, false, false
	}
	end := bytes.LastIndexByte(event, '}')
	before := bytes.TrimRight(event[:end], space)
	return event[:end], event[end:], before[len(before)-1] == '{', true
}

// publish puts the event, in up to three parts, into the ring, offers it to the
// other instances, and answers. All copy: nothing of the request is kept.
func (s *Server) publish(ctx *fasthttp.RequestCtx, head, member, tail []byte) {
	shard, at := s.broker.Pick(head, ctx.ConnID()), s.broker.Tick(ctx.Time())
	err := s.broker.Publish(shard, at, eventPrefix, head, member, tail, eventSuffix)
	switch {
	case err == nil:
		s.counters.bytes.Add(uint64(len(head) + len(member) + len(tail)))
		if s.relay != nil { // a concrete type, so that the parts do not escape
			s.relay.Offer(shard, at, head, member, tail)
		}
	case errors.Is(err, broker.ErrTooLarge):
		s.reject(ctx, reasonTooLarge)
	default:
		s.reject(ctx, reasonOverloaded)
	}
}
