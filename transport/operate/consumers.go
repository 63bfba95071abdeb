package operate

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/stream"
)

// consumers lists who reads.
type consumers struct {
	pool    *stream.Pool
	sockets func() any // nil: there are no users' screens
}

// consumerList is the answer of /consumers.
type consumerList struct {
	Consumers []stream.ConsumerInfo `json:"consumers"`
	Sockets   any                   `json:"session_sockets,omitempty"`
}

// Consumers serves /consumers: the streams of players' events, over any wire, and users'
// screens.
func (c consumers) Consumers(ctx *fasthttp.RequestCtx) {
	list := consumerList{Consumers: c.pool.Inspect()}
	if c.sockets != nil {
		list.Sockets = c.sockets()
	}
	reply.JSON(ctx, list)
}
