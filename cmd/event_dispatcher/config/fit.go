package config

import (
	"fmt"
	"strings"
)

// Parts of a memory limit that budgets may take: by default, and at most where somebody
// chose them. The rest is for connections, streams and the collection of garbage.
const (
	ringPart    = 4
	bodiesPart  = 8
	lagPart     = 8
	sessionPart = 8
	socketPart  = 16
	chosenPart  = 2 // the ring alone
)

// Descriptors that are not of clients' connections.
const (
	otherDescriptors = 64 // listeners, epoll sets, logs, operators
	perConsumer      = 2  // over WebSocket; one otherwise
)

// Fit makes the defaults fit what the system allows: a memory limit in bytes, and a
// number of descriptors; 0 means that there is no limit. It says in a line each what it
// made smaller. What somebody chose, and cannot fit, is an error.
func (c *Config) Fit(memory, descriptors int) (notes []string, err error) {
	f := fitting{given: c.reading.given}
	if memory > 0 {
		if f.given("ring-bytes") && c.Broker.Bytes > memory/chosenPart {
			return nil, fmt.Errorf("%w: -ring-bytes: %d is more than half of the memory limit of %d bytes", ErrUsage, c.Broker.Bytes, memory)
		}
		f.budget(&c.Broker.Bytes, "ring-bytes", memory, ringPart)
		f.budget(&c.Transport.BodiesBytes, "bodies-bytes", memory, bodiesPart)
		f.budget(&c.Streams.LagBytes, "lag-bytes", memory, lagPart)
		f.budget(&c.Sessions.MaxBytes, "session-bytes", memory, sessionPart)
		f.budget(&c.Sockets.QueueBytes, "socket-bytes", memory, socketPart)
	}
	if need := c.Descriptors(); descriptors > 0 && need > descriptors {
		f.caps(need, descriptors, []descriptorCap{
			{"max-consumers", &c.Streams.MaxConsumers, perConsumer},
			{"max-connections", &c.Transport.MaxConnections, 1},
			{"max-sockets", &c.Sockets.MaxSockets, 1},
		})
	}
	return f.notes, nil
}

// Descriptors is how many all caps together may need.
func (c *Config) Descriptors() int {
	return perConsumer*c.Streams.MaxConsumers + c.Transport.MaxConnections + c.Sockets.MaxSockets + otherDescriptors
}

// A fitting lowers what nobody chose, and notes it.
type fitting struct {
	given func(flag string) bool
	notes []string
}

func (f *fitting) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// budget lowers a default to its part of the memory.
func (f *fitting) budget(p *int, name string, memory, part int) {
	if most := memory / part; !f.given(name) && *p > most {
		f.note("-%s is %d instead of %d, to fit the memory limit of %d", name, most, *p, memory)
		*p = most
	}
}

// A descriptorCap limits something that has descriptors.
type descriptorCap struct {
	name string
	p    *int
	each int // descriptors
}

// caps lowers those that nobody chose, all by the same factor, so that they fit the
// descriptors. It says so in one line; those that were chosen and are too high, too.
func (f *fitting) caps(need, descriptors int, caps []descriptorCap) {
	chosen, free := otherDescriptors, 0
	for _, k := range caps {
		if f.given(k.name) {
			chosen += *k.p * k.each
		} else {
			free += *k.p * k.each
		}
	}
	left := descriptors - chosen
	if free == 0 || left < len(caps) {
		f.note("-max-consumers, -max-connections and -max-sockets may need %d descriptors, and the system allows %d: raise ulimit -n", need, descriptors)
		return
	}
	var lowered []string
	for _, k := range caps {
		if !f.given(k.name) {
			lower := max(1, int(int64(*k.p)*int64(left)/int64(free)))
			lowered = append(lowered, fmt.Sprintf("-%s is %d instead of %d", k.name, lower, *k.p))
			*k.p = lower
		}
	}
	f.note("the system allows %d descriptors, where %d may be needed (ulimit -n), so %s; that is plenty for trying it out", descriptors, need, strings.Join(lowered, ", "))
}
