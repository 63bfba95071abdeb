package stream

import (
	"net"
	"net/netip"
	"time"
	"unique"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// A Ticket is a place in the pool and the moment at which a stream opens. It
// must be used once, by Serve or Forget.
type Ticket struct {
	pool    *Pool
	want    *wanted
	cursors []broker.Cursor
	gzip    *gzipped               // nil: the stream is not compressed
	then    func()                 // see Then; may be nil
	left    func()                 // see Left; may be nil
	endedBy func(end func(Reason)) // nil: nobody ends it
	retry   time.Duration
	who     unique.Handle[Who]
}

// Retrying is the ticket of an EventSource that is told when to come back after a stream
// that ends by itself. What it was told at an earlier end holds no longer.
func (t Ticket) Retrying(after time.Duration) Ticket {
	t.retry = after
	return t
}

// Then is the ticket of a consumer after whose end f is called, once. It must not
// wait. A ticket that is forgotten does not call it; f may be nil.
func (t Ticket) Then(f func()) Ticket {
	t.then = f
	return t
}

// Left is the ticket of a consumer for which f is called, once, when its place is free again:
// after its end, or when the ticket is forgotten. It must not wait.
func (t Ticket) Left(f func()) Ticket {
	t.left = f
	return t
}

// Admit reserves a place. The stream will carry what is published from now on.
func (p *Pool) Admit(v view.View) (Ticket, error) {
	if p.draining.Load() {
		return Ticket{}, ErrDraining
	}
	if p.consumers.Add(1) > int64(p.options.MaxConsumers) {
		p.consumers.Add(-1)
		return Ticket{}, ErrFull
	}
	want, ok := p.views.use(v)
	if !ok {
		p.consumers.Add(-1)
		p.Refused()
		return Ticket{}, ErrViews
	}
	p.kinds[v.Format.Kind].Add(1)
	t := Ticket{pool: p, want: want, cursors: p.broker.Head(v.Shards)}
	if v.Format.Encoding != wire.Identity {
		t.gzip = &gzipped{}
	}
	return t, nil
}

// Resume is Admit for a consumer that has been here before and remembers an id. Its
// stream goes on where it was; of what is retained no more it is told the number. It
// reports false if the id says nothing here: then the stream carries what is published
// from now on.
func (p *Pool) Resume(v view.View, id string) (Ticket, bool, error) {
	t, err := p.Admit(v)
	if err != nil {
		return t, false, err
	}
	cursors, ok := findPlace(p.broker, t.want.shards, id)
	if ok {
		t.cursors = cursors
	}
	return t, ok, nil
}

// AppendOpening appends what the stream begins with, once. Text is for people; empty says
// no more than that the stream is open.
func (t Ticket) AppendOpening(dst []byte, text string) []byte {
	f := t.want.view.Format
	b := f.AppendOpening(nil, text)
	if t.retry > 0 {
		b = f.AppendReconnect(b, t.retry)
	}
	if f.IDs { // so that who gets no event can resume, too
		b = f.AppendID(b, appendPlace(nil, t.pool.broker, t.cursors))
	}
	if t.gzip == nil {
		return append(dst, b...)
	}
	return t.gzip.appendPrivate(frameBlock(dst, f, []byte(gzipHead)), f, b)
}

// Forget gives the place back.
func (t Ticket) Forget() { t.pool.release(t.want, t.left) }

func (p *Pool) release(want *wanted, left func()) {
	if left != nil {
		left()
	}
	bytes := consumerBytes
	if p.views.release(want) {
		bytes += viewBytes
		if want.view.Format.Encoding != wire.Identity {
			bytes += compressorBytes
		}
	}
	p.tidier.Left(bytes)
	p.kinds[want.view.Format.Kind].Add(-1)
	p.consumers.Add(-1)
}

// Refused says that there was no place for a view, of which nothing is needed any more.
func (p *Pool) Refused() { p.tidier.Left(viewBytes) }

// Serve takes conn over: it writes opening (which must not be modified any more),
// then events, and closes conn, where loops hold a descriptor of their own at once.
func (t Ticket) Serve(conn net.Conn, opening []byte) {
	c, l := t.consumer(conn)
	l.add(c, opening)
	t.served(c, l)
}

// consumer makes one of the ticket, and picks its loop.
func (t Ticket) consumer(conn net.Conn) (*consumer, *loop) {
	p := t.pool
	c := &consumer{
		id:    p.ids.Add(1),
		since: time.Now().UnixNano(),
		want:  t.want,
		gzip:  t.gzip,
		conn:  conn,
		then:  t.then,
		left:  t.left,
		who:   t.who,
	}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port))
	}
	for _, cursor := range t.cursors {
		c.joined += cursor.Sequence()
	}
	c.lag = &lag{cursors: t.cursors}
	return c, p.loops[p.turn.Add(1)%uint64(len(p.loops))]
}
