package access

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/transport/metric"
)

// Options tunes a [Gate]. The zero value of all but Path is what production runs.
type Options struct {
	// Path is the access file.
	Path string

	// CheckView reports what is wrong with a view of the file or of a JWT. Nil
	// takes all.
	CheckView func(view string) error

	// MaxTickets is how many tickets may wait to be used. Zero means 10,000.
	MaxTickets int

	// Log gets a line for every reload. Nil means nobody.
	Log *zap.Logger
}

// A Gate says who may. A nil Gate lets everybody do everything. Its methods may be
// called by any goroutine.
type Gate struct {
	// Fixed after Open.
	options Options
	tickets tickets
	quit    chan struct{}
	done    chan struct{}

	now atomic.Pointer[state] // stored with mu held

	reloading sync.Mutex // one reload at a time
	files     files      // guarded by reloading

	mu     sync.Mutex
	lives  map[*life]struct{} // those with streams
	expiry lifeHeap           // those of them that expire

	reloads, failures atomic.Uint64
	ended             [Revoked + 1]atomic.Uint64
}

// Open reads the access file and watches it until Close.
func Open(o Options) (*Gate, error) {
	if o.MaxTickets == 0 {
		o.MaxTickets = 10_000
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	g := &Gate{options: o, quit: make(chan struct{}), done: make(chan struct{}), lives: map[*life]struct{}{}}
	g.tickets.max = o.MaxTickets
	s, made, err := load(o.Path, o.CheckView)
	if err != nil {
		return nil, err
	}
	g.now.Store(s)
	g.files.watch(made)
	go g.run()
	return g, nil
}

// Close stops watching. What the file said stays in force.
func (g *Gate) Close() {
	if g == nil {
		return
	}
	close(g.quit)
	<-g.done
}

// pollInterval is how often files and expiry are looked at, so also how late a
// stream may be ended.
const pollInterval = time.Second

func (g *Gate) run() {
	defer close(g.done)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-g.quit:
			return
		case <-tick.C:
		}
		g.reloading.Lock()
		changed := g.files.changed()
		g.reloading.Unlock()
		if changed {
			_ = g.Reload() // said in the log
		}
		g.expire(time.Now())
	}
}

// Reload reads the file again. If it is not as it should be, what was in force
// stays. Streams whose grant is gone, or is another now, are ended.
func (g *Gate) Reload() error {
	if g == nil {
		return nil
	}
	g.reloading.Lock()
	defer g.reloading.Unlock()
	next, made, err := load(g.options.Path, g.options.CheckView)
	g.files.watch(made)
	if err != nil {
		g.failures.Add(1)
		g.options.Log.Error("cannot load the access file; keeping the previous one", zap.Error(err))
		return err
	}
	next.keepRates(g.now.Load())
	next.number = g.reloads.Add(1)
	ended := g.install(next)
	g.options.Log.Info("the access file was read", zap.Int("tokens", len(next.tokens)), zap.Int("issuers", len(next.issuers)), zap.Int("streams_ended", ended))
	return nil
}

// keepRates lets a reload not refill the buckets of limits that are as before.
func (s *state) keepRates(before *state) {
	s.buckets = before.buckets
	for h, g := range s.tokens {
		if old := before.tokens[h]; old != nil && old.limit != nil && g.limit != nil && old.limit.Limit() == g.limit.Limit() {
			g.limit = old.limit
		}
	}
}

// install puts a state in force and ends the streams that it does not let go on.
func (g *Gate) install(next *state) int {
	var over []*Watch
	g.mu.Lock()
	g.now.Store(next)
	for l := range g.lives {
		to := next.find(l.grant)
		if !l.grant.stillStands(to) {
			over = append(over, g.endLocked(l)...)
			continue
		}
		// Only the end may be another.
		l.grant = to
		g.sortLocked(l)
	}
	g.mu.Unlock()
	return g.tell(over, Revoked)
}

// expire ends the streams whose time is over.
func (g *Gate) expire(now time.Time) {
	var over []*Watch
	g.mu.Lock()
	for len(g.expiry) > 0 && g.expiry[0].grant.expired(now) {
		over = append(over, g.endLocked(g.expiry[0])...)
	}
	g.mu.Unlock()
	if n := g.tell(over, Expired); n > 0 {
		g.options.Log.Info("streams ended because their token expired", zap.Int("streams", n))
	}
}

// A life is that of the streams that were opened with one grant.
type life struct {
	// Guarded by the gate's mu.
	grant   *Grant // as it is now
	at      int    // in the gate's expiry; -1: not there
	watches []*Watch
}

// A Watch waits for the end of a grant on behalf of one stream.
type Watch struct {
	// Fixed after Watch.
	gate  *Gate
	ended func(Ending)

	// Guarded by the gate's mu.
	life *life // nil: over
	at   int   // in life.watches
}

// Watch has ended called, once and by a goroutine of the gate's, when a stream
// that was opened with grant may not go on. It must not wait. It reports false if
// that moment has passed. Stop must be called when the stream is closed.
func (g *Gate) Watch(grant *Grant, ended func(Ending)) (*Watch, bool) {
	if g == nil {
		return nil, true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l := grant.life
	// The file may have changed since the grant was given.
	to := g.now.Load().find(grant)
	if !grant.stillStands(to) || to.expired(time.Now()) {
		return nil, false
	}
	w := &Watch{gate: g, ended: ended, life: l, at: len(l.watches)}
	l.watches = append(l.watches, w)
	if w.at == 0 {
		l.grant = to
		g.lives[l] = struct{}{}
		g.sortLocked(l)
	}
	return w, true
}

// Stop ends the watch. Calling it again, or on a nil Watch, does nothing.
func (w *Watch) Stop() {
	if w == nil {
		return
	}
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	l := w.life
	if l == nil {
		return
	}
	w.life = nil
	last := len(l.watches) - 1
	l.watches[w.at] = l.watches[last]
	l.watches[w.at].at = w.at
	l.watches[last] = nil
	if l.watches = l.watches[:last]; last == 0 {
		w.gate.endLocked(l)
	}
}

// endLocked forgets a life, and returns who is to be told.
func (g *Gate) endLocked(l *life) []*Watch {
	over := l.watches
	l.watches = nil
	for _, w := range over {
		w.life = nil
	}
	delete(g.lives, l)
	if l.at >= 0 {
		heap.Remove(&g.expiry, l.at)
	}
	return over
}

// sortLocked puts a life where it belongs in the order of expiry.
func (g *Gate) sortLocked(l *life) {
	switch expires := !l.grant.expires.IsZero(); {
	case expires && l.at < 0:
		heap.Push(&g.expiry, l)
	case expires:
		heap.Fix(&g.expiry, l.at)
	case l.at >= 0:
		heap.Remove(&g.expiry, l.at)
	}
}

// tell calls everybody without holding a lock: they may call Stop.
func (g *Gate) tell(over []*Watch, why Ending) int {
	g.ended[why].Add(uint64(len(over)))
	for _, w := range over {
		w.ended(why)
	}
	return len(over)
}

// A lifeHeap has the life that ends first at its root.
type lifeHeap []*life

func (h lifeHeap) Len() int           { return len(h) }
func (h lifeHeap) Less(i, j int) bool { return h[i].grant.expires.Before(h[j].grant.expires) }
func (h lifeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].at, h[j].at = i, j }
func (h *lifeHeap) Push(x any)        { l := x.(*life); l.at = len(*h); *h = append(*h, l) }
func (h *lifeHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h, l.at = (*h)[:last], -1
	return l
}

// Stats are what metrics show of a Gate.
type Stats struct {
	Tokens, Issuers   int
	Tickets           int // that wait to be used
	Streams           int // that a grant's end would end
	Reloads, Failures uint64
	Expired, Revoked  uint64 // streams that were ended
}

// Stats of a nil Gate are zero.
func (g *Gate) Stats() Stats {
	if g == nil {
		return Stats{}
	}
	s := g.now.Load()
	st := Stats{
		Tokens: len(s.tokens), Issuers: len(s.issuers), Tickets: g.tickets.len(),
		Reloads: g.reloads.Load(), Failures: g.failures.Load(),
		Expired: g.ended[Expired].Load(), Revoked: g.ended[Revoked].Load(),
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for l := range g.lives {
		st.Streams += len(l.watches)
	}
	return st
}

// Collect implements [metric.Source].
func (g *Gate) Collect(to metric.Emitter) {
	st := g.Stats()
	to.Gauge("access_tokens", "Tokens in the access file; 0 without one.", float64(st.Tokens))
	to.Gauge("access_tickets", "Tickets that wait to be used.", float64(st.Tickets))
	to.Gauge("access_streams", "Streams and sockets that end when their token does.", float64(st.Streams))
	to.Counter("access_streams_ended_total", "Streams and sockets that were ended because their token did not allow them any more, by reason.", st.Expired, "reason", Expired.String())
	to.Counter("access_streams_ended_total", "Streams and sockets that were ended because their token did not allow them any more, by reason.", st.Revoked, "reason", Revoked.String())
	to.Counter("access_reloads_total", "Times that the access file was read again and taken.", st.Reloads)
	to.Counter("access_reload_failures_total", "Times that the access file was read again and not taken.", st.Failures)
}

// Anonymous are the rights of those who bring no credentials.
func (g *Gate) Anonymous() Rights {
	if g == nil {
		return everybody.Rights
	}
	return g.now.Load().anonymous.Rights
}
