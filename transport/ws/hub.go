package ws

import (
	"context"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker/session"
)

// Options tunes a [Hub]. The zero value is what production runs.
type Options struct {
	// DefaultPractice is the practice of events that name none. Empty means
	// "myPracticeId".
	DefaultPractice string

	// MaxSockets is how many there may be at once. Zero means 10,000.
	MaxSockets int

	// Grace is how long after its last socket closed a user is logged out.
	// Zero means 5 s, negative at once.
	Grace time.Duration

	// Ping is the time between two pings, about. Zero means 25 s.
	Ping time.Duration

	// Stall is how long a socket may take no byte before it is taken for
	// dead. Zero means 30 s.
	Stall time.Duration

	// QueueBytes bounds what waits for slow sockets in all. Beyond it a socket
	// keeps only its newest event. Zero means 32 MiB.
	QueueBytes int64

	// Log gets a line per socket that is cut. Nil means none.
	Log *zap.Logger
}

func (o *Options) setDefaults() {
	if o.DefaultPractice == "" {
		o.DefaultPractice = "myPracticeId"
	}
	if o.MaxSockets == 0 {
		o.MaxSockets = 10_000
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Ping == 0 {
		o.Ping = 25 * time.Second
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 32 << 20
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
}

// inFlight is how long after it was stored an event may still come from another
// instance.
const inFlight = 10 * time.Second

// maxReaders is how many practices are read from the store for replays at once.
const maxReaders = 4

// Errors of [Hub.Admit].
var (
	ErrFull     = errors.New("ws: too many sockets")
	ErrDraining = errors.New("ws: draining")
)

// A Hub has the sockets of all practices. Its methods may be called by any goroutine.
type Hub struct {
	// Fixed after New.
	options Options
	stop    context.CancelFunc
	running sync.WaitGroup // the clock and the leaver
	reading sync.WaitGroup // the sockets' goroutines

	ties atomic.Pointer[ties]

	turns [256]sync.Mutex // of users who submit; see turn

	readings session.Sharing[string, *replay] // by practice, folded
	reader   chan struct{}                    // full while a store is read for a replay

	mu       sync.Mutex // guards what follows
	rooms    map[string]map[string]*user
	replays  map[string]lastReplay // the latest of each practice, folded
	draining bool
	leaves   []leave // in the order in which they are due
	leaving  chan struct{}

	held     atomic.Int64 // bytes of frames that wait
	sockets  atomic.Int64
	counters counters
}

// ties are what a hub works with, known only after it: they need the hub, too.
type ties struct {
	store   session.Store
	publish func(session.Event)
}

// New starts a hub. Before Tie it stores in a memory that Tie lets go of, and tells
// no other instance.
func New(o Options) *Hub {
	o.setDefaults()
	ctx, stop := context.WithCancel(context.Background())
	h := &Hub{options: o, stop: stop, rooms: map[string]map[string]*user{}, leaving: make(chan struct{}, 1),
		replays: map[string]lastReplay{}, reader: make(chan struct{}, maxReaders)}
	h.ties.Store(&ties{session.NewMemory(session.Options{DefaultPractice: o.DefaultPractice}), func(session.Event) {}})
	h.running.Go(func() { h.clock(ctx) })
	h.running.Go(func() { h.leaver(ctx) })
	return h
}

// Tie gives the hub the store that it asks and the way to other instances. Call it
// before the first socket comes.
func (h *Hub) Tie(store session.Store, publish func(session.Event)) {
	h.ties.Store(&ties{store, publish})
}

// Submit makes an event known: stored, then sent to the sockets here, then
// offered to the other instances. Events of a user take these steps one after the
// other, so that the store and all screens end with the same one.
func (h *Hub) Submit(e session.Event) {
	t := h.ties.Load()
	if e.Practice == "" {
		e.Practice = h.options.DefaultPractice
	}
	turn := h.turn(e.Practice, e.Source)
	turn.Lock()
	defer turn.Unlock()
	t.store.Put(e)
	h.deliver(e)
	t.publish(e)
}

// turn is held by the user's event that is made known, and by few other users'.
func (h *Hub) turn(practice, user string) *sync.Mutex {
	of := [2]string{h.fold(practice), user}
	return &h.turns[maphash.Comparable(seed, of)%uint64(len(h.turns))]
}

// Latest is what is stored of a user, in whatever practice.
func (h *Hub) Latest(user string) []session.Event {
	return h.ties.Load().store.Latest(session.AnyPractice, user)
}

// DeliverSession takes an event of another instance: it is the sink of a relay.
func (h *Hub) DeliverSession(e session.Event) {
	if mirror, ok := h.ties.Load().store.(interface{ Observe(session.Event) }); ok {
		mirror.Observe(e)
	}
	h.deliver(e)
}

// Logout tells that a user is gone, unless it has just come back: the store may
// have answered before it heard of that.
func (h *Hub) Logout(practice, user string) {
	e := session.Event{
		ID: session.NewID(), Source: user, Practice: practice, At: time.Now().UnixMilli(),
		Action: session.Logout, Type: session.UserSession,
	}
	f := newFrame(e, &h.held)
	defer f.release()
	h.mu.Lock()
	u := h.rooms[h.fold(practice)][user]
	back := u != nil && slices.ContainsFunc(u.sockets, func(s *socket) bool { return s.joining })
	if !back {
		h.deliverLocked(e, f)
	}
	h.mu.Unlock()
	if back {
		return
	}
	h.counters.logouts.Add(1)
	h.ties.Load().publish(e)
}

// deliver sends an event to the sockets that it is for.
func (h *Hub) deliver(e session.Event) {
	e.Origin = ""
	f := newFrame(e, &h.held)
	defer f.release()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deliverLocked(e, f)
}

// deliverLocked does so with the hub locked, so that all get all events in one order.
func (h *Hub) deliverLocked(e session.Event, f *frame) {
	room := h.rooms[h.fold(e.Practice)]
	if e.TargetUser != "" {
		if u := room[e.TargetUser]; u != nil {
			u.push(f)
		}
		return
	}
	for _, u := range room {
		u.push(f)
	}
}

// fold is the practice in the form that is compared.
func (h *Hub) fold(practice string) string {
	if practice == "" {
		practice = h.options.DefaultPractice
	}
	return session.Fold(practice)
}

// A Ticket is a place for a socket. It must be used once, by Serve or Forget.
type Ticket struct {
	hub            *Hub
	practice, user string
	replay         bool
	handshake      Handshake
}

// Admit reserves a place for a socket of a user.
func (h *Hub) Admit(practice, user string, replay bool, hs Handshake) (Ticket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return Ticket{}, ErrDraining
	}
	if h.sockets.Load() >= int64(h.options.MaxSockets) {
		return Ticket{}, ErrFull
	}
	h.sockets.Add(1)
	return Ticket{h, practice, user, replay, hs}, nil
}

// Forget gives the place back.
func (t Ticket) Forget() { t.hub.sockets.Add(-1) }

// Serve takes the connection over; it returns at once. early is what came behind
// the request.
func (t Ticket) Serve(conn net.Conn, early []byte) {
	h := t.hub
	limitKernelBuffer(conn)
	s := &socket{hub: h, conn: conn, pingDue: time.Now().Add(h.options.jitteredPing())}
	if !h.enter(s, t, early) {
		conn.Close()
		t.Forget()
	}
}

// enter has the socket read, and get what is published from here on, unless the hub
// drains.
func (h *Hub) enter(s *socket, t Ticket, early []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return false
	}
	h.enterLocked(s, t.practice, t.user)
	h.reading.Go(func() { s.serve(t, early) })
	return true
}

// serve is the socket's reading goroutine.
func (s *socket) serve(t Ticket, early []byte) {
	h := s.hub
	l := &line{Conn: s.conn, early: early}
	c, err := t.handshake.accept(l)
	if err != nil {
		h.exit(s, s.finish(ReasonLeft), false)
		return
	}
	l.control = s.control
	s.upgrade()
	h.mu.Lock()
	s.joining = true
	h.mu.Unlock()
	h.ties.Load().store.Join(t.practice, t.user)
	var stored *replay
	if t.replay {
		stored = h.replay(t.practice) // after it was entered, so that nothing falls in between
	}
	s.begin(stored)
	stored = nil
	why := read(c, s.heard, s.answer)
	h.exit(s, s.finish(why), true)
}

func (s *socket) heard() { s.missed.Store(0) }

func (o *Options) jitteredPing() time.Duration { return o.Ping*8/10 + rand.N(o.Ping*4/10+1) }

// clock sends pings and ends sockets that do not answer them.
func (h *Hub) clock(ctx context.Context) {
	tick := time.NewTicker(max(min(time.Second, h.options.Ping/4), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, s := range h.tidy(now) {
				s.onClock(now)
			}
		}
	}
}

func (s *socket) onClock(now time.Time) {
	s.showEarly(now)
	s.forgetReplay(now)
	if now.Before(s.pingDue) {
		return
	}
	s.pingDue = now.Add(s.hub.options.jitteredPing())
	if s.missed.Load() >= 2 {
		s.end(codePolicy, "two pings without an answer", ReasonSilent)
		return
	}
	s.askPing()
}

// Drain admits nobody any more and ends the sockets over the window, each after
// what is queued for it. Those still there when ctx is done are cut.
//
// Nobody is logged out: users will be back, here or at another instance. Where
// they are not, the lease of this instance ends, and another one notices.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	list := h.list()
	for i, s := range list {
		s.end(codeGoingAway, "shutting down", ReasonDrained)
		if pause := window / time.Duration(len(list)); i+1 < len(list) && pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	gone := make(chan struct{})
	go func() {
		h.reading.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		for _, s := range h.list() {
			s.cut(ReasonDeadline)
		}
		<-gone
	}
}

// Close ends the hub, and sockets that are still there.
func (h *Hub) Close() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	h.Drain(now, 0)
	h.stop()
	h.running.Wait()
}
