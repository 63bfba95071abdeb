package access

import (
	"slices"
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
	options Options // fixed after Open
	tickets tickets
	files   reloader
	reign   reign
	reloads atomic.Uint64
}

// Open reads the access file and watches it until Close.
func Open(o Options) (*Gate, error) {
	if o.MaxTickets == 0 {
		o.MaxTickets = 10_000
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	g := &Gate{options: o}
	g.tickets.max = o.MaxTickets
	err := g.files.read(func(seen *files) error {
		s, err := load(o.Path, o.CheckView, seen)
		if err == nil {
			g.reign.begin(s)
			g.warnOfExpired(s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	g.files.follow(g.Reload, g.expire)
	return g, nil
}

// Close stops watching. What the file said stays in force.
func (g *Gate) Close() {
	if g != nil {
		g.files.stop()
	}
}

// Reload reads the file again. If it is not as it should be, what was in force
// stays. Streams whose grant is gone, or is another now, are ended.
func (g *Gate) Reload() error {
	if g == nil {
		return nil
	}
	return g.files.read(func(seen *files) error {
		next, err := load(g.options.Path, g.options.CheckView, seen)
		if err != nil {
			g.options.Log.Error("cannot load the access file; keeping the previous one", zap.Error(err))
			return err
		}
		next.keepRates(g.reign.now.Load())
		next.number = g.reloads.Add(1)
		ended := g.reign.begin(next)
		g.options.Log.Info("the access file was read", zap.Int("tokens", len(next.tokens)), zap.Int("issuers", len(next.issuers)), zap.Int("streams_ended", ended))
		g.warnOfExpired(next)
		return nil
	})
}

// warnOfExpired names tokens that are over already: whoever wrote the file may not have
// meant that.
func (g *Gate) warnOfExpired(s *state) {
	var names []string
	for _, grant := range s.tokens {
		if grant.expired(time.Now()) {
			names = append(names, grant.Name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		g.options.Log.Warn("tokens of the access file have expired: give them a later time, or remove them", zap.Strings("tokens", names))
	}
}

// expire ends the streams whose time is over.
func (g *Gate) expire(now time.Time) {
	if n := g.reign.expire(now); n > 0 {
		g.options.Log.Info("streams ended because their token expired", zap.Int("streams", n))
	}
}

// Watch waits for when a stream that is opened with grant may not go on; see [Ends]. It
// reports false if that moment has passed. Stop must be called when the stream is
// closed.
func (g *Gate) Watch(grant *Grant) (*Watch, bool) {
	if g == nil {
		return nil, true
	}
	return g.reign.watch(grant)
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
	s := g.reign.now.Load()
	return Stats{
		Tokens: len(s.tokens), Issuers: len(s.issuers), Tickets: g.tickets.len(), Streams: g.reign.streams(),
		Reloads: g.reloads.Load(), Failures: g.files.failures.Load(),
		Expired: g.reign.ended[Expired].Load(), Revoked: g.reign.ended[Revoked].Load(),
	}
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
	return g.reign.now.Load().anonymous.Rights
}

// Grants reports whether the file lets anybody have the right.
func (g *Gate) Grants(r Right) bool {
	if g == nil {
		return true
	}
	s := g.reign.now.Load()
	for _, grant := range s.all() {
		if grant.Rights.Has(r) {
			return true
		}
	}
	for _, is := range s.issuers {
		if is.rights.Has(r) {
			return true
		}
	}
	return false
}
