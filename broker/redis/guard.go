package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// Errors of [Do]; the call may have had effect only with ErrTimeout.
var (
	ErrDown    = errors.New("redis: not connected")
	ErrBusy    = errors.New("redis: too many calls at once")
	ErrTimeout = errors.New("redis: no answer in time")
)

// maxCalls is how many calls may be under way; well below the 1,024 places of
// the client's pipeline, where a call would wait without looking at its deadline.
const maxCalls = 256

// maxSending is how many bytes calls of [DoSending] may be sending.
const maxSending = 32 << 20

// ReservedCalls is how many may be under way beside them in each [Reserve].
const ReservedCalls = 64

// A Reserve has places for calls of one kind: calls of others do not take them.
type Reserve int

// The reserves.
const (
	ForMembers  Reserve = iota // who comes and leaves
	ForRenewals                // of leases
	reserves
)

// A Guard is a client whose calls take a bounded time. It connects by itself,
// notices within seconds that Redis is gone, and finds it again.
type Guard struct {
	timeout time.Duration
	changed func(up bool, err error)
	cancel  context.CancelFunc
	done    chan struct{} // closed when keep has returned

	client atomic.Pointer[rueidis.Client] // nil until first connected
	up     atomic.Bool
	why    atomic.Pointer[error]   // it is not up: ErrDown and the cause
	calls  chan struct{}           // a token per call under way
	first  [reserves]chan struct{} // and per call of DoFirst that calls had no room for
	sends  atomic.Int64            // bytes of calls of DoSending
	poke   chan struct{}           // a call failed: look now
}

// NewGuard returns at once and connects in the background. changed is told when
// Redis comes, goes or refuses (see [Refused]), and why; it is called by one goroutine
// and must not call Close.
func NewGuard(c Config, timeout time.Duration, changed func(up bool, err error)) *Guard {
	ctx, cancel := context.WithCancel(context.Background())
	g := &Guard{
		timeout: timeout,
		changed: changed,
		cancel:  cancel,
		done:    make(chan struct{}),
		calls:   make(chan struct{}, maxCalls),
		poke:    make(chan struct{}, 1),
	}
	for r := range g.first {
		g.first[r] = make(chan struct{}, ReservedCalls)
	}
	go g.keep(ctx, c)
	return g
}

// Up reports whether Redis answered last time.
func (g *Guard) Up() bool { return g.up.Load() }

// Close ends the connection and waits for that.
func (g *Guard) Close() {
	g.cancel()
	<-g.done
}

// keep connects, then asks every second whether Redis is still there.
func (g *Guard) keep(ctx context.Context, c Config) {
	defer close(g.done)
	type state struct{ up, refused bool }
	var told *state // what changed was told last
	tell := func(up bool, err error) {
		if !up {
			why := fmt.Errorf("%w: %w", ErrDown, err)
			g.why.Store(&why)
		}
		g.up.Store(up)
		if now := (state{up, Refused(err)}); told == nil || *told != now {
			told = &now
			g.changed(up, err)
		}
	}
	for ctx.Err() == nil {
		g.serve(ctx, c, tell)
	}
}

// serve connects, and watches the connection until it ends at a replica, or ctx is done.
// A new connection may lead to the new master.
func (g *Guard) serve(ctx context.Context, c Config, tell func(up bool, err error)) {
	client, err := Connect(ctx, c, func(err error) { tell(false, err) })
	if err != nil {
		return
	}
	defer client.Close()
	probe := client
	if client.Mode() != rueidis.ClientModeCluster { // which has a connection for each node
		if probe, err = Connect(ctx, c, func(err error) { tell(false, err) }); err != nil {
			return
		}
		defer probe.Close()
	}
	g.client.Store(&client)
	defer g.up.Store(false)
	var pause Backoff
	for ctx.Err() == nil {
		err := g.ping(ctx, client, probe)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			tell(false, err)
			pause.Wait(ctx)
			if errors.Is(err, ErrReplica) {
				return
			}
			continue
		}
		tell(true, nil)
		pause.Reset()
		select {
		case <-ctx.Done():
		case <-g.poke:
		case <-time.After(pingInterval):
		}
	}
}

// ping is a call that may end late: keep is the only one that waits for it. It has a
// connection to itself, probe: behind a large answer it would say that Redis is gone.
// Before calls are let through again it asks on theirs, too.
func (g *Guard) ping(ctx context.Context, client, probe rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	if err := probe.Do(ctx, probe.B().Ping().Build()).Error(); err != nil {
		return err
	}
	if probe != client && !g.up.Load() {
		if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
			return err
		}
	}
	if err := Master(ctx, probe); errors.Is(err, ErrReplica) {
		return err
	}
	return nil
}

// Do makes a call through g. op runs in a goroutine of its own, which may outlive
// Do: it must give its result back, and change nothing that its caller has by then. It counts
// as a call until the client has let go of it.
func Do[T any](g *Guard, op func(context.Context, rueidis.Client) (T, error)) (T, error) {
	return DoSending(g, 0, op)
}

// DoSending is [Do] for a call that sends about n bytes. Calls that are under way send
// 32 MiB at most, and one more.
func DoSending[T any](g *Guard, n int, op func(context.Context, rueidis.Client) (T, error)) (T, error) {
	select {
	case g.calls <- struct{}{}:
	default:
		return refuse[T](g)
	}
	if n == 0 {
		return do(g, func() { <-g.calls }, op)
	}
	free := func() {
		g.sends.Add(-int64(n))
		<-g.calls
	}
	if before := g.sends.Add(int64(n)) - int64(n); before >= maxSending {
		free()
		return refuse[T](g)
	}
	return do(g, free, op)
}

// DoFirst is [Do] for calls for which there must be room, however many others there are: no
// more than [ReservedCalls] at once, of those that nobody waits for any more, too.
func DoFirst[T any](g *Guard, r Reserve, op func(context.Context, rueidis.Client) (T, error)) (T, error) {
	select {
	case g.calls <- struct{}{}:
		return do(g, func() { <-g.calls }, op)
	default:
	}
	select {
	case g.first[r] <- struct{}{}:
		return do(g, func() { <-g.first[r] }, op)
	default:
		return refuse[T](g)
	}
}

// refuse says why there was no call.
func refuse[T any](g *Guard) (none T, err error) {
	if !g.up.Load() {
		return none, g.down()
	}
	return none, ErrBusy
}

// A limit is a context that ends calls which begin after its time, and none that is under way.
// The client would leave a call at once whose context ends, and hold what it sends, and the
// place in its pipeline, until Redis has answered: there would be more of them than calls.
// Against the rules of contexts, Err fails while Done is open. This client (rueidis 1.0.79) asks
// Err before it sends something, and where there is no Done it waits for the answer, or for the
// end of the connection, which its own pings find out in seconds.
type limit struct {
	context.Context // has neither an end nor a deadline
	at              time.Time
}

func (l limit) Err() error {
	if time.Now().Before(l.at) {
		return nil
	}
	return context.DeadlineExceeded
}

// do makes a call that has a place, and frees it.
func do[T any](g *Guard, free func(), op func(context.Context, rueidis.Client) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	client := g.client.Load()
	if client == nil || !g.up.Load() {
		free()
		return none, g.down()
	}
	late := time.NewTimer(g.timeout)
	defer late.Stop()
	ctx := limit{context.Background(), time.Now().Add(g.timeout)}
	answer := make(chan result, 1)
	go func() {
		defer free()
		value, err := op(ctx, *client)
		answer <- result{value, err}
	}()
	select {
	case r := <-answer:
		switch {
		case errors.Is(r.err, context.DeadlineExceeded): // op saw it first
			g.look()
			return none, ErrTimeout
		case r.err != nil && unreachable(r.err):
			g.suspect()
		case readOnly(r.err):
			g.look()
		}
		return r.value, r.err
	case <-late.C:
		// Redis may be gone, or this call was too much for the time. A PING tells.
		g.look()
		return none, ErrTimeout
	}
}

// down is ErrDown, with the cause if there is one.
func (g *Guard) down() error {
	if why := g.why.Load(); why != nil {
		return *why
	}
	return ErrDown
}

// suspect lets the next calls fail at once until a PING has been answered.
func (g *Guard) suspect() {
	// keep may be about to say the same. What is seen twice does no harm; a
	// false alarm ends with the next PING, at once.
	g.why.Store(nil)
	g.up.Store(false)
	g.look()
}

// look has keep ask now whether Redis is there.
func (g *Guard) look() {
	select {
	case g.poke <- struct{}{}:
	default:
	}
}

// unreachable tells a failed connection from an answer that is an error.
func unreachable(err error) bool {
	if rueidis.IsRedisNil(err) || rueidis.IsParseErr(err) {
		return false
	}
	if e, ok := rueidis.IsRedisErr(err); ok {
		return e.IsLoading()
	}
	return true
}

// readOnly is what a replica answers to a write.
func readOnly(err error) bool {
	e, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(e.Error(), "READONLY")
}
