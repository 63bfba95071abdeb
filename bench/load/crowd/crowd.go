package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/bench/load/event"
)

// Options says who listens and where.
type Options struct {
	URL, Path string
	Specs     []*Spec
	Sources   []*event.Varied // by lane; their counts are read when accounts are closed
	Run       uint32
	StallFor  time.Duration
	StayFor   time.Duration // of those who resume, on average
}

// Crowd is a running crowd.
type Crowd struct {
	opt    Options
	client *http.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup
	all    []*consumer

	opened   atomic.Int64
	events   atomic.Int64
	lastNews atomic.Int64 // Unix ns
	staying  atomic.Bool  // nobody leaves any more
	failure  atomic.Pointer[error]
}

// consumer is one of them. Its goroutine owns it until the crowd is closed.
type consumer struct {
	crowd   *Crowd
	spec    *Spec
	query   string
	session string

	was       bool // opened once
	rested    bool
	lastID    string
	waiting   []byte // event whose id has not come, on the wires on which it follows
	hasID     atomic.Bool
	started   time.Time
	repeated  uint64
	sinceID   []uint64        // positions of events since the last id
	uncovered map[uint64]bool // of those before the last return

	joined func() // gives its place in the queue of those who join to the next

	received, skipped  uint64
	wrong, disorder    uint64
	doubled, strangers uint64
	returns            uint64
	last               []uint64 // by lane: number of the last event
	seen               []map[uint64]bool
	perSession         map[string]uint64
	lastOfSession      map[string]uint64
}

// Open has everybody join, and returns when all streams are open.
func Open(ctx context.Context, opt Options, patience time.Duration) (*Crowd, error) {
	held, cancel := context.WithCancel(context.Background())
	c := &Crowd{opt: opt, cancel: cancel, client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: -1}}} // no proxy
	window := make(chan struct{}, 64)
	for _, s := range opt.Specs {
		for i := range s.Consumers {
			name := event.SessionName(i)
			one := &consumer{
				crowd: c, spec: s, session: name, query: strings.ReplaceAll(s.Query, "{n}", name),
				last: make([]uint64, len(opt.Sources)), seen: make([]map[uint64]bool, len(opt.Sources)),
				perSession: make(map[string]uint64), lastOfSession: make(map[string]uint64),
			}
			for l := range one.seen {
				one.seen[l] = make(map[uint64]bool)
			}
			c.all = append(c.all, one)
			window <- struct{}{}
			one.joined = sync.OnceFunc(func() { <-window })
			c.wg.Go(func() { one.live(held) })
		}
	}
	for deadline := time.Now().Add(patience); c.opened.Load() < int64(len(c.all)); time.Sleep(5 * time.Millisecond) {
		err := c.failure.Load()
		if err != nil || ctx.Err() != nil || time.Now().After(deadline) {
			n := c.opened.Load()
			c.cancel()
			c.wg.Wait()
			if err != nil {
				return nil, fmt.Errorf("crowd: %w", *err)
			}
			return nil, fmt.Errorf("crowd: %d of %d streams opened", n, len(c.all))
		}
	}
	return c, nil
}

// live is the life of a consumer: one stream, or, of one that resumes, many.
func (c *consumer) live(ctx context.Context) {
	defer c.joined()
	for {
		stay, leave := context.WithCancel(ctx)
		if c.spec.Resumes {
			go c.leaveSometime(stay, leave)
		}
		err := c.connect(stay)
		left := stay.Err() != nil
		leave()
		if ctx.Err() != nil {
			return
		}
		if !left {
			c.crowd.failure.CompareAndSwap(nil, &err)
			return
		}
		c.returns++
		c.waiting = c.waiting[:0]
		// Where it comes back to is its last id; what came behind that comes again.
		c.uncovered = make(map[uint64]bool)
		for _, position := range c.sinceID {
			c.uncovered[position] = true
		}
	}
}

// leaveSometime ends a stream at a random moment, once it has an id to come back
// with, and while others leave.
func (c *consumer) leaveSometime(stay context.Context, leave func()) {
	timer := time.NewTimer(time.Duration(float64(c.crowd.opt.StayFor) * (0.2 + 1.6*rand.Float64())))
	defer timer.Stop()
	select {
	case <-stay.Done():
		return
	case <-timer.C:
	}
	for !c.hasID.Load() {
		select {
		case <-stay.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	if !c.crowd.staying.Load() {
		leave()
	}
}

// open says that the answer's head is there.
func (c *consumer) open() {
	if !c.was {
		c.was, c.started = true, time.Now()
		c.crowd.opened.Add(1)
		c.joined()
	}
}

var positionMember = []byte(`"position":`)

// event takes one event.
func (c *consumer) event(b []byte) {
	c.crowd.events.Add(1)
	c.crowd.lastNews.Store(time.Now().UnixNano())
	position, ok := positionOf(b)
	lane, n := event.Place(position)
	if !ok || lane >= len(c.last) || n == 0 {
		c.wrong++
		return
	}
	f := c.crowd.opt.Sources[lane].Facts(n)
	if !c.spec.passes(f, c.session) || !c.intact(b, f) {
		c.wrong++
		return
	}
	if c.seen[lane][n] {
		if c.uncovered[position] {
			c.repeated++
		} else {
			c.doubled++
		}
		return
	}
	c.seen[lane][n] = true
	if c.spec.Resumes {
		c.sinceID = append(c.sinceID, position)
	}
	c.received++
	c.perSession[f.Session]++
	if c.spec.every > 0 {
		// Sessions overtake each other, events of one do not.
		if n < c.lastOfSession[f.Session] {
			c.disorder++
		}
	} else if n < c.last[lane] {
		c.disorder++
	}
	c.last[lane] = max(c.last[lane], n)
	c.lastOfSession[f.Session] = max(c.lastOfSession[f.Session], n)
}

func positionOf(b []byte) (uint64, bool) {
	_, rest, ok := bytes.Cut(b, positionMember)
	end := bytes.IndexAny(rest, ",}")
	if !ok || end < 0 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(rest[:end]), 10, 64)
	return v, err == nil
}

// intact reports whether an event says what it must, every byte of it if its
// view does not shape it.
func (c *consumer) intact(b []byte, f event.Facts) bool {
	if !c.spec.members {
		tag, ok := event.Parse(b)
		return ok && tag.Run == c.crowd.opt.Run && tag.Intact(b)
	}
	var got struct {
		Name    *string `json:"event_name"`
		Session *string `json:"session_id"`
		Bench   *string `json:"bench"`
	}
	return json.Unmarshal(b, &got) == nil && (got.Name == nil || *got.Name == f.Name) && (got.Session == nil || *got.Session == f.Session) &&
		(got.Bench != nil) == strings.Contains(c.query, "bench")
}

// Stats may be called at any time.
func (c *Crowd) Stats() (events int64, lastNews time.Time) {
	return c.events.Load(), time.Unix(0, c.lastNews.Load())
}

// Patience is how long a silence means that no more will come.
func (c *Crowd) Patience() time.Duration {
	longest := 700 * time.Millisecond
	for _, s := range c.opt.Specs {
		longest = max(longest, 2*s.every+500*time.Millisecond)
	}
	return longest
}

// Stay has nobody leave any more, so that accounts can be closed.
func (c *Crowd) Stay() { c.staying.Store(true) }
