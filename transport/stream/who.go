package stream

import (
	"net/netip"
	"unique"
)

// A Who is what is known of the one who reads a stream, for operators. Consumers that
// say the same share it.
type Who struct {
	Name   string     // that it gives itself
	Agent  string     // its User-Agent
	Client netip.Addr // its address behind proxies; zero: that of the connection
}

// By is the ticket of a consumer of whom that is known.
func (t Ticket) By(w Who) Ticket {
	t.who = unique.Make(w)
	return t
}

// describe adds what is known of a consumer.
func (in *ConsumerInfo) describe(c *consumer) {
	in.Client = c.addr.Addr()
	if c.who == (unique.Handle[Who]{}) {
		return
	}
	w := c.who.Value()
	in.Name, in.Agent = w.Name, w.Agent
	if w.Client.IsValid() {
		in.Client = w.Client
	}
}
