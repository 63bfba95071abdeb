package operate

import (
	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
)

// rejects is the answer of /rejects.
type rejects struct {
	Rejects []rejected `json:"rejects"`
}

type rejected struct {
	Reason string        `json:"reason"`
	Path   string        `json:"path"`
	Count  uint64        `json:"count"`
	Last   *refusal.Seen `json:"last,omitempty"`
}

// refused lists what was refused.
type refused struct{ desk *refusal.Desk } // nil: nothing was

// Rejects serves /rejects: what was refused since the start, by reason and path, with
// when and how large the last one was. paths names the routes of the refusals.
func (r refused) Rejects(ctx *fasthttp.RequestCtx, paths []string) {
	list := rejects{[]rejected{}}
	if r.desk != nil {
		for _, e := range r.desk.Entries() {
			list.Rejects = append(list.Rejects, rejected{e.Reason.String(), paths[e.Route], e.Count, e.Last})
		}
	}
	reply.JSON(ctx, list)
}
