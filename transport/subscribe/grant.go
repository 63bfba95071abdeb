package subscribe

import (
	"fmt"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// CheckView reports what is wrong with the view of a grant. A parameter that would
// not confine anybody is an error: the one who wrote it believes that it does.
func CheckView(b *broker.Broker, o view.Options) func(query string) error {
	views := view.NewRegistry(o)
	return func(query string) error {
		var args fasthttp.Args
		args.Parse(query)
		_, unknown, err := views.Check(wire.Format{}, b, args.All())
		if err != nil {
			return err
		}
		if len(unknown) > 0 {
			return fmt.Errorf("unknown parameter %s", unknown[0])
		}
		for key := range args.All() {
			switch string(key) {
			case "shards", "where", "sample", "by", "members":
			default:
				return fmt.Errorf("%s does not say what may be seen", key)
			}
		}
		return nil
	}
}

// watch has the stream of a ticket ended when its grant ends. It answers and reports
// false if that has happened already.
func (c *Consumers) watch(ctx *fasthttp.RequestCtx, ticket stream.Ticket) (*access.Watch, stream.Ticket, bool) {
	if c.options.Gate == nil {
		return nil, ticket, true
	}
	watch, ok := c.options.Gate.Watch(access.GrantOf(ctx))
	if !ok {
		ticket.Forget()
		c.options.Refusals.Reject(ctx, refusal.Credential)
		return nil, ticket, false
	}
	return watch, ticket.EndedBy(access.Ends(watch, stream.ReasonExpired, stream.ReasonRevoked)), true
}

// after is what follows the end of a stream; nil if nothing does.
func after(watch *access.Watch, giveBack func()) func() {
	switch {
	case watch == nil:
		return giveBack
	case giveBack == nil:
		return watch.Stop
	}
	return func() {
		watch.Stop()
		giveBack()
	}
}
