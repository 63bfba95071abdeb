package screens

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/tidy"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

// HubOptions tunes a [Hub]. The zero value is what production runs.
type HubOptions struct {
	// MaxSockets is how many there may be at once. Zero means 10,000.
	MaxSockets int

	// Ping is the time between two pings, about. Zero means 25 s.
	Ping time.Duration

	// Stall is how long a socket may take no byte before it is taken for
	// dead. Zero means 30 s.
	Stall time.Duration

	// QueueBytes bounds the memory of what waits for sockets in all, replays
	// and what users got lately included. Beyond it the oldest events are given up. Zero means 32 MiB.
	QueueBytes int

	// Loops write to the sockets. Nil: goroutines do.
	Loops Loops

	// Log gets a line per socket that is cut. Nil means none.
	Log *zap.Logger

	// UserIP is what the line says of its address. Zero means all.
	UserIP access.UserIP
}

func (o *HubOptions) setDefaults() {
	if o.MaxSockets == 0 {
		o.MaxSockets = 10_000
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

// Errors of [Hub.Admit].
var (
	ErrFull     = errors.New("screens: too many sockets")
	ErrDraining = errors.New("screens: draining")
)

// Sessions is told of users' sockets, and knows what is shown to those who open.
type Sessions interface {
	// Practices says which names are of one practice.
	Practices() session.Practices

	// Join counts a socket. tell counts it in the store: call it once; it may wait for Redis.
	Join(practice, user string) (tell func())
	Leave(practice, user string)

	// Replay is what is stored of the practice's active users, oldest first.
	Replay(practice string) []session.Event

	// Crowded says that nobody may come because too many are leaving.
	Crowded() bool

	// Keep has nobody leave any more.
	Keep()
}

// A Hub has the sockets of all practices. Its methods may be called by any goroutine.
type Hub struct {
	// Fixed after NewHub.
	options  HubOptions
	sessions Sessions
	stop     context.CancelFunc
	running  sync.WaitGroup // the clock
	present  sync.WaitGroup // the sockets
	readers  websocket.Readers

	rooms   rooms
	replays replays

	mu       sync.Mutex // guards draining
	draining bool

	windowOver atomic.Bool // of a drain

	entering sync.WaitGroup // sockets that are let in, and not in their room yet

	boxes    [8]outbox
	turn     atomic.Uint64 // picks the outbox of the next socket
	budget   budget
	tidier   tidy.Tidier
	sockets  atomic.Int64
	counters counters
}

// NewHub starts a hub.
func NewHub(o HubOptions, sessions Sessions) *Hub {
	o.setDefaults()
	ctx, stop := context.WithCancel(context.Background())
	h := &Hub{options: o, sessions: sessions, stop: stop}
	h.budget.limit = int64(o.QueueBytes)
	h.rooms.practices, h.rooms.known = sessions.Practices, map[string]*room{}
	h.replays = replays{stored: sessions.Replay, rooms: &h.rooms, budget: &h.budget, places: make(chan struct{}, maxReadings), turns: make(turns, max(2, runtime.GOMAXPROCS(0)/2))}
	for i := range h.boxes {
		h.boxes[i].loops, h.boxes[i].turn = o.Loops, uint64(i)
	}
	h.running.Go(func() { h.clock(ctx) })
	return h
}

func (o *HubOptions) jitteredPing() time.Duration { return o.Ping*8/10 + rand.N(o.Ping*4/10+1) }

// clock sends pings and ends sockets that do not answer them.
func (h *Hub) clock(ctx context.Context) {
	tick := time.NewTicker(max(min(time.Second, h.options.Ping/4), time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, s := range h.rooms.tidy(now) {
				s.onClock(now)
			}
		}
	}
}

func (s *socket) onClock(now time.Time) {
	s.tidy(now)
	s.cutStalled(now)
	s.hasten(now)
	if s.isOver(now) {
		s.stopReading(websocket.ReasonError)
		return
	}
	if now.Before(s.pingDue) {
		return
	}
	s.pingDue = now.Add(s.hub.options.jitteredPing())
	if s.missed.Load() >= 2 {
		s.end(wire.CodePolicy, "two pings without an answer", websocket.ReasonSilent)
		return
	}
	s.askPing()
}

// Drain admits nobody any more and ends the sockets over the window, each after
// what is queued for it. Those that take nothing, or are still there when ctx is done,
// are cut.
//
// Nobody is logged out: users will be back, here or at another instance. Where
// they are not, the lease of this instance ends, and another one notices.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.mu.Lock()
	h.draining = true
	h.mu.Unlock()
	h.sessions.Keep()
	h.entering.Wait() // so that none is missing
	list := h.rooms.list()
	for i, s := range list {
		s.end(wire.CodeGoingAway, "shutting down", websocket.ReasonDrained)
		if pause := window / time.Duration(len(list)); i+1 < len(list) && pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	h.windowOver.Store(true)
	gone := make(chan struct{})
	go func() {
		h.present.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		for _, s := range h.rooms.list() {
			s.cut(websocket.ReasonDeadline)
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
	h.readers.Wait()
	h.tidier.Stop()
}
