package subscribe

import (
	"bytes"
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// asked is what a consumer asked for.
type asked struct {
	view    view.View
	after   string   // id of the place to resume from; empty: now
	unknown []string // parameters that mean nothing here
}

// refused is why what a consumer asks for cannot be served.
type refused struct {
	reason  refusal.Reason
	details string
}

// wishes reads from requests what consumers ask for. It is fixed.
type wishes struct {
	views        *view.Registry
	broker       *broker.Broker
	compressAuto bool
}

// of is what a consumer asks for by its query and its headers, confined to what its
// grant lets it see.
func (w *wishes) of(ctx *fasthttp.RequestCtx, format wire.Format) (asked, *refused) {
	v, unknown, err := w.views.Check(format, w.broker, ctx.QueryArgs().All())
	var param *view.ParamError
	switch {
	case err == nil:
	case errors.As(err, &param) && param.Param != "shards":
		return asked{}, &refused{reasonOfParam(param), param.Error()}
	default:
		return asked{}, &refused{refusal.Shards, ""}
	}
	// What an EventSource remembers comes as a header, and is newer than what the
	// page has put into the address.
	from := string(ctx.QueryArgs().Peek("lastEventId"))
	if id := string(ctx.Request.Header.Peek("Last-Event-ID")); stream.IsID(id) {
		from, v.Format.IDs = id, true
	} else if from == "" {
		from = id // of another service: it is told that this means nothing here
	}
	if v, err = w.confine(v, access.GrantOf(ctx)); err != nil { // all of it, ids by a header, too
		return asked{}, &refused{refusal.View, err.Error()}
	}
	if reason := cannotMix(v); reason != "" {
		return asked{}, &refused{refusal.Parameter, reason}
	}
	return asked{v, from, unknown}, nil
}

// reasonOfParam is why a parameter is refused.
func reasonOfParam(e *view.ParamError) refusal.Reason {
	switch {
	case !e.TooMuch:
		return refusal.Parameter
	case e.Param == "query":
		return refusal.Query
	}
	return refusal.ViewTooLarge
}

// cannotMix names what the writer loops cannot do together.
func cannotMix(v view.View) string {
	if v.Format.Encoding != wire.Identity && v.Pace.Every > 0 {
		return "encoding: streams with every are not compressed; leave one of them out"
	}
	return ""
}

// confine is what is left of a view within those of a grant.
func (w *wishes) confine(v view.View, grant *access.Grant) (view.View, error) {
	var within []view.View
	for _, query := range grant.Views {
		var args fasthttp.Args
		args.Parse(query)
		g, _, err := w.views.Check(wire.Format{}, w.broker, args.All())
		if err != nil {
			return v, err
		}
		within = append(within, g)
	}
	return view.Narrow(v, w.broker.ShardKey(), within...)
}

// preferred is the format that a request's headers ask for.
func (w *wishes) preferred(h *fasthttp.RequestHeader) wire.Format {
	f := wire.Format{Unchunked: !h.IsHTTP11(), Encoding: w.offered(h)}
	if bytes.Contains(h.Peek(fasthttp.HeaderAccept), []byte("application/x-ndjson")) {
		f.Kind = wire.NDJSON
	}
	return f
}

// offered is the encoding of a stream whose query names none: gzip if the service may
// compress unasked and the client takes it.
func (w *wishes) offered(h *fasthttp.RequestHeader) wire.Encoding {
	if w.compressAuto && takesGzip(h) {
		return wire.Gzip
	}
	return wire.Identity
}

// namedBytes is how long a view may be that the opening of its stream names: openings are kept
// until they are read.
const namedBytes = 1000

// opening says what was understood, unless that is the default, and what was not,
// so that nobody believes to have filtered by it.
func (w *wishes) opening(v view.View, unknown []string) string {
	var text []string
	if v != (view.View{Shards: w.broker.AllShards(), Format: v.Format}) {
		name := v.Canonical()
		if len(name) > namedBytes {
			name = "too long to be told here, ask /events/view"
		}
		text = append(text, "view: "+name)
	}
	if len(unknown) > 0 {
		text = append(text, "unknown parameters: "+strings.Join(unknown, ", "))
	}
	return strings.Join(text, "; ")
}
