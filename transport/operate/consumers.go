package operate

import (
	"bufio"
	"bytes"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// consumers lists who reads.
type consumers struct {
	inspect func() []stream.ConsumerInfo
	sockets func() any // nil: there are no users' screens
}

// consumerList is the answer of /consumers.
type consumerList struct {
	consumers []stream.ConsumerInfo
	sockets   any // nil: left out
}

// Consumers serves /consumers: the streams of players' events, over any wire, and users'
// screens. Views may be long, and consumers many: the list is written as it is read.
func (c consumers) Consumers(ctx *fasthttp.RequestCtx) {
	list := consumerList{consumers: c.inspect()}
	if c.sockets != nil {
		list.sockets = c.sockets()
	}
	reply.JSONHead(ctx)
	if ctx.Request.Header.IsHTTP11() {
		ctx.SetBodyStreamWriter(list.write)
		return
	}
	var whole bytes.Buffer // HTTP/1.0 has no chunks
	w := bufio.NewWriter(&whole)
	list.write(w)
	_ = w.Flush()
	ctx.Response.SetBodyRaw(whole.Bytes())
}

// described is a consumer with its view written out.
type described struct {
	stream.ConsumerInfo
	View json.RawMessage `json:"view"` // instead of the other one
}

// write writes the list as one JSON object, a consumer on each line, until the reader is
// gone.
func (l consumerList) write(w *bufio.Writer) {
	out, texts, between := reply.NewEncoder(w), viewTexts{}, ""
	_, _ = w.WriteString(`{"consumers":[`)
	for _, c := range l.consumers {
		_, _ = w.WriteString(between)
		if out.Encode(described{c, texts.of(c.View)}) != nil {
			return
		}
		between = ","
	}
	_, _ = w.WriteString("]")
	if l.sockets != nil {
		_, _ = w.WriteString(`,"session_sockets":`)
		_ = out.Encode(l.sockets)
	}
	_, _ = w.WriteString("}\n")
}

// viewTexts are views as JSON, a few at a time: most consumers have one that others have,
// too.
type viewTexts map[view.View]json.RawMessage

const maxViewTexts = 64

func (t viewTexts) of(v view.View) json.RawMessage {
	text, ok := t[v]
	if !ok {
		text, _ = v.MarshalJSON() // a view always encodes
		if len(t) == maxViewTexts {
			clear(t)
		}
		t[v] = text
	}
	return text
}
