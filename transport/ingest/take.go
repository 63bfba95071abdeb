package ingest

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/event"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/refusal"
)

// Taken is the body of a request that was accepted. It must be released when it has
// been published.
type Taken struct {
	Body []byte

	inflated *inflate.Body // nil: Body is the request's
	counted  int           // events that it was counted as so far
}

// Release ends the use of the body.
func (t *Taken) Release() {
	if t.inflated != nil {
		t.inflated.Release()
	}
}

// faults are the reasons for what can be wrong with an event.
var faults = [...]refusal.Reason{
	event.Empty:         refusal.EmptyBody,
	event.ByteOrderMark: refusal.ByteOrderMark,
	event.InvalidUTF8:   refusal.InvalidUTF8,
	event.InvalidJSON:   refusal.InvalidJSON,
}

// Take checks a request and its body, one event, and makes it one line. It answers
// and reports false if the event is refused.
func (p *Players) Take(ctx *fasthttp.RequestCtx) (Taken, bool) {
	t, ok := p.receive(ctx, single)
	if !ok {
		return Taken{}, false
	}
	handedOn := false
	defer func() {
		if !handedOn { // or a checker panicked
			t.Release()
		}
	}()
	p.received.Add(1)
	if t.inflated != nil && p.rates.Any() {
		if _, ok := p.count(ctx, len(t.Body)/packedEvent, t.counted); !ok {
			return Taken{}, false
		}
	}
	if fault := event.Check(t.Body); fault != event.None {
		p.refusals.Explain(ctx, faults[fault], explain(t.Body, fault))
		return Taken{}, false
	}
	event.OneLine(t.Body)
	handedOn = true
	return t, true
}

// explain says where a body goes wrong. It is for the one who debugs a sender.
func explain(body []byte, fault event.Fault) string {
	offset, hint := event.Explain(body, fault)
	text := ""
	if fault == event.InvalidJSON || fault == event.InvalidUTF8 {
		if text = fmt.Sprintf("it goes wrong at byte %d, counted from 0", offset); offset == len(body) {
			text = fmt.Sprintf("it ends too early, after %d bytes", offset)
		}
	}
	switch {
	case hint == event.NoHint:
		return text
	case text == "":
		return hint.String()
	}
	return text + "; " + hint.String()
}
