package relay

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
	"unsafe"

	"event-dispatcher/broker/redis"

	"github.com/nats-io/nats.go"
)

// OverNATS returns the carrier of a NATS server or cluster: core subjects, on which
// nothing is stored.
func OverNATS(server NATS) Carrier { return &overNATS{server} }

type overNATS struct{ server NATS }

func (n *overNATS) Kind() string   { return "nats" }
func (n *overNATS) String() string { return strings.Join(n.server.hosts, ",") }

// natsName is a channel's subject.
func natsName(c Channel) string {
	if c.Part == "" {
		return c.Name
	}
	return c.Name + "." + c.Part
}

// Limits of one connection. A server that is stopped is noticed by two PINGs without
// an answer.
const (
	natsTimeout  = 2 * time.Second // to connect, to write, and to answer
	natsPing     = time.Second
	natsPause    = 50 * time.Millisecond  // between two attempts to connect again, and up to
	natsJitter   = 450 * time.Millisecond // so much more at random: instances do not come in step
	natsMessages = inboxMessages          // that wait in the library for each subscription
	natsBytes    = inboxBytes
)

// connect returns a connected client, which connects again by itself.
func (n *overNATS) connect(ctx context.Context, failed func(error), more ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{
		nats.Name("event-dispatcher"),
		nats.Timeout(natsTimeout),
		nats.FlusherTimeout(natsTimeout),
		nats.PingInterval(natsPing),
		nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(natsPause),
		nats.ReconnectJitter(natsJitter, natsJitter),
		nats.ReconnectBufSize(-1),   // what waits, waits in the outbox, which knows how old it is
		nats.IgnoreAuthErrorAbort(), // a password may be put right while we run
		nats.NoEcho(),
		nats.NoCallbacksAfterClientClose(),
	}, n.server.options...)
	options = append(options, more...)
	var pause redis.Backoff
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		nc, err := nats.Connect(n.server.servers(), options...)
		if err == nil {
			return nc, nil
		}
		failed(err)
		pause.Wait(ctx)
	}
}

func (n *overNATS) Out(ctx context.Context, failed func(error)) (Out, error) {
	nc, err := n.connect(ctx, failed, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		return nil, err
	}
	return &natsOut{nc}, nil
}

// A natsOut publishes to NATS.
type natsOut struct{ nc *nats.Conn }

// Publish writes all parcels, then waits for the answer to a PING behind them. The
// server has taken them in order by then.
func (o *natsOut) Publish(parcels []Parcel) {
	var failed error
	for i := range parcels {
		p := &parcels[i]
		p.Heard = Unheard
		p.Err = o.nc.Publish(natsName(p.Channel), p.Text) // copies the text
		if errors.Is(p.Err, nats.ErrMaxPayload) {
			p.Err = ErrTooLarge
		} else if p.Err != nil {
			failed = p.Err
			break
		}
	}
	if failed == nil {
		failed = o.Check()
	}
	if failed == nil {
		return
	}
	for i := range parcels {
		parcels[i].Err = failed
	}
}

// Check finds out, too, whether this user may publish: the server refuses after the
// fact, before it answers the PING.
func (o *natsOut) Check() error {
	if err := o.nc.FlushTimeout(natsTimeout); err != nil {
		return err
	}
	if err := o.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}

func (o *natsOut) MaxMessage() int { return int(o.nc.MaxPayload()) }

func (o *natsOut) Close() { o.nc.Close() }

func (n *overNATS) In(ctx context.Context, failed func(error)) (In, error) {
	i := &natsIn{heard: make(map[*nats.Subscription]uint64), gone: make(chan struct{})}
	var err error
	i.nc, err = n.connect(ctx, failed,
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // a slow consumer's count is with its subscription
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { i.lost(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) { i.lost(nats.ErrConnectionClosed) }),
	)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// A natsIn subscribes at NATS.
type natsIn struct {
	nc *nats.Conn

	mu       sync.Mutex                    // guards what follows
	heard    map[*nats.Subscription]uint64 // what each has thrown away, when it was last asked
	overflow uint64                        // of subscriptions that have ended
	gone     chan struct{}                 // closed when the connection is lost, then a new one
	why      error                         // it was lost last time
}

// lost ends all that is heard. The library subscribes again by itself when it finds
// a server; but then messages are missing, and that is worth a line in the log.
func (i *natsIn) lost(err error) {
	if err == nil {
		err = nats.ErrDisconnected
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.why = err
	close(i.gone)
	i.gone = make(chan struct{})
}

func (i *natsIn) Hear(ctx context.Context, c Channel, began func(), put func(text string)) error {
	i.mu.Lock()
	gone := i.gone
	i.mu.Unlock()
	sub, err := i.nc.Subscribe(natsName(c), func(m *nats.Msg) {
		put(unsafe.String(unsafe.SliceData(m.Data), len(m.Data))) // allocated for us alone
	})
	if err != nil {
		return err
	}
	defer i.forget(sub)
	if err := sub.SetPendingLimits(natsMessages, natsBytes); err != nil {
		return err
	}
	i.mu.Lock()
	i.heard[sub] = 0
	i.mu.Unlock()
	if err := i.nc.FlushTimeout(natsTimeout); err != nil {
		return err
	}
	// A refusal comes before the answer to the PING, and says to which subject.
	if err := i.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+natsName(c)+`"`) {
		return err
	}
	began()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-gone:
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.why
	}
}

func (i *natsIn) forget(sub *nats.Subscription) {
	i.mu.Lock()
	i.overflow += i.askLocked(sub)
	delete(i.heard, sub)
	i.mu.Unlock()
	_ = sub.Unsubscribe() // fails without a connection, which has no subscriptions either
}

// askLocked asks a subscription how many messages it has thrown away. It does not say so any
// more when the connection is closed.
func (i *natsIn) askLocked(sub *nats.Subscription) uint64 {
	if n, err := sub.Dropped(); err == nil && n > 0 {
		i.heard[sub] = uint64(n)
	}
	return i.heard[sub]
}

func (i *natsIn) Overflows() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.overflow
	for sub := range i.heard {
		n += i.askLocked(sub)
	}
	return n
}

func (i *natsIn) Close() {
	i.Overflows() // asks for the last time
	i.nc.Close()
	i.lost(nats.ErrConnectionClosed) // the library calls nobody after this
}
