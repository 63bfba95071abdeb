package player

import (
	"strconv"

	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/sock"

	"golang.org/x/sys/unix"
)

// lane is one place for a connection: a player as the server sees it. When the
// connection ends with events unanswered, the lane goes on as a new producer,
// because nothing orders what the server still does with the old ones.
type lane struct {
	index    int32
	source   event.Source
	target   sock.Addr
	envelope *event.Envelope
	heads    [event.Flavours]string // up to the value of Content-Length
	tail     string                 // from there to the body

	// The connection; fd is -1 between connections.
	fd       int
	producer uint32
	sequence uint64
	out      []byte // requests; out[written:] is still to be sent
	written  int
	rest     []byte // the beginning of an answer
	flights  []int64
	unload   bool // reset once everything is written
	last     bool // no further request on this connection

	queued bool // in the loop's queue of lanes with room
}

// newLane returns lane number n, which has an index in its loop.
func newLane(index int32, n int, opt *Options) *lane {
	l := &lane{index: index, source: opt.NewSource(n), target: opt.Targets[n%len(opt.Targets)], envelope: &opt.Envelope, fd: -1}
	for f := range l.heads {
		l.heads[f] = "POST " + opt.Path + " HTTP/1.1\r\nHost: " + l.target.String() + "\r\n" + event.Flavour(f).Headers() + "Content-Length: "
	}
	l.tail = "\r\n\r\n"
	if opt.PerEvent {
		l.tail = "\r\nConnection: close\r\n\r\n"
	}
	return l
}

// add puts the request for the next event behind those to be sent.
func (l *lane) add(run uint32, intended int64, scratch []byte) []byte {
	body, flavour, sum := l.source.Append(scratch[:0])
	l.sequence++
	event.Tag{
		Run: run, Producer: l.producer, Sequence: l.sequence,
		Intended: intended, Length: len(body), Sum: sum,
	}.Put(body)
	l.out = append(l.out, l.heads[flavour]...)
	l.out = strconv.AppendInt(l.out, int64(l.envelope.Size()+len(body)), 10)
	l.out = append(l.out, l.tail...)
	l.out = l.envelope.Append(l.out, body)
	l.flights = append(l.flights, intended)
	return body
}

// write sends what it can. An error means that the connection is no more.
func (l *lane) write() unix.Errno {
	for l.written < len(l.out) {
		n, errno := sock.Send(l.fd, l.out[l.written:])
		if errno == unix.EAGAIN {
			return 0 // the poller says when there is room
		}
		if errno != 0 {
			return errno
		}
		l.written += n
	}
	l.out, l.written = l.out[:0], 0
	return 0
}

// close ends the connection and returns how many events were under way.
func (l *lane) close(reset bool) (unanswered int) {
	if l.fd >= 0 {
		if reset {
			sock.Reset(l.fd)
		} else {
			sock.Close(l.fd)
		}
	}
	unanswered = len(l.flights)
	if unanswered > 0 {
		l.producer = 0 // the next connection gets a new one
	}
	l.fd = -1
	l.out, l.written = l.out[:0], 0
	l.rest, l.flights = l.rest[:0], l.flights[:0]
	l.unload, l.last = false, false
	return unanswered
}
