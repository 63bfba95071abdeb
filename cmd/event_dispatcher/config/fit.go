package config

import "fmt"

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
	if memory > 0 {
		if c.given["ring-bytes"] && c.Broker.Bytes > memory/chosenPart {
			return nil, fmt.Errorf("%w: -ring-bytes: %d is more than half of the memory limit of %d bytes", ErrUsage, c.Broker.Bytes, memory)
		}
		notes = append(notes, c.shrink(&c.Broker.Bytes, "ring-bytes", memory/ringPart, "the memory limit", memory)...)
		for _, budget := range []struct {
			p    *int
			name string
			part int
		}{
			{&c.Transport.BodiesBytes, "bodies-bytes", bodiesPart}, {&c.Streams.LagBytes, "lag-bytes", lagPart},
			{&c.Sessions.MaxBytes, "session-bytes", sessionPart}, {&c.Sockets.QueueBytes, "socket-bytes", socketPart},
		} {
			notes = append(notes, c.shrink(budget.p, budget.name, memory/budget.part, "the memory limit", memory)...)
		}
	}
	if need := c.Descriptors(); descriptors > 0 && need > descriptors {
		notes = append(notes, c.lowerCaps(need, descriptors)...)
	}
	return notes, nil
}

// shrink lowers a default to what may be had of a limit.
func (c *Config) shrink(p *int, name string, most int, of string, limit int) []string {
	if c.given[name] || *p <= most {
		return nil
	}
	note := fmt.Sprintf("-%s is %d instead of %d, to fit %s of %d", name, most, *p, of, limit)
	*p = most
	return []string{note}
}

// Descriptors is how many all caps together may need.
func (c *Config) Descriptors() int {
	return perConsumer*c.Streams.MaxConsumers + c.Transport.MaxConnections + c.Sockets.MaxSockets + otherDescriptors
}

// lowerCaps lowers the caps that nobody chose, all by the same factor, so that they fit
// the descriptors. It says so in one line; caps that were chosen and are too high, too.
func (c *Config) lowerCaps(need, descriptors int) []string {
	caps := []struct {
		name string
		p    *int
		each int
	}{
		{"max-consumers", &c.Streams.MaxConsumers, perConsumer},
		{"max-connections", &c.Transport.MaxConnections, 1},
		{"max-sockets", &c.Sockets.MaxSockets, 1},
	}
	chosen, free := otherDescriptors, 0
	for _, k := range caps {
		if c.given[k.name] {
			chosen += *k.p * k.each
		} else {
			free += *k.p * k.each
		}
	}
	left := descriptors - chosen
	if free == 0 || left < len(caps) {
		return []string{fmt.Sprintf("-max-consumers, -max-connections and -max-sockets may need %d descriptors, and the system allows %d: raise ulimit -n", need, descriptors)}
	}
	note := fmt.Sprintf("the system allows %d descriptors, where %d may be needed (ulimit -n), so", descriptors, need)
	for _, k := range caps {
		if !c.given[k.name] {
			lower := max(1, int(int64(*k.p)*int64(left)/int64(free)))
			note += fmt.Sprintf(" -%s is %d instead of %d,", k.name, lower, *k.p)
			*k.p = lower
		}
	}
	return []string{note[:len(note)-1]}
}
