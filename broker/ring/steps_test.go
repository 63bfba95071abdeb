//go:build ringsteps

package ring

import (
	"bytes"
	"flag"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"testing"
)

// With 1 the plays take some 20 s, and found nothing; nor did two publishers with 2.
var preemptions = flag.Int("preemptions", 0, "how often goroutines may be interrupted, beyond what each play says")

// A play is a few goroutines on a tiny ring. [play.run] has them take their
// steps in every order in which a goroutine that could go on is interrupted at most
// so many times, and checks the ring after each step, and the books at the end.
type play struct {
	name        string
	preemptions int
	options     Options
	events      int          // per segment; zero means 1
	before      func(*stage) // on the empty ring, uninterrupted
	actors      []func(*stage, *actor)
}

// A stage is one performance: the ring, and how far everybody is.
type stage struct {
	r      *Ring
	start  Cursor
	actors []*actor
	now    *actor // whose turn it is

	skipped   uint64 // accepted by Skip
	published uint64 // accepted by Publish

	// Steps that now may take before the director is asked again: a known
	// part of the performance.
	ahead int
	where func() // told before each step of a performance that is retold
}

type actor struct {
	id       int
	resume   func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
	history  uint64 // of all that it did and saw: equal histories are in the same place
	waiting  bool   // wants others to run first
	over     bool
	calls    int
	accepted []byte // events, in order
	fault    string
}

type curtain struct{} // panic that ends an actor whose performance is given up

func (p *play) stage() *stage {
	step, saw, wait = nil, nil, nil
	st := &stage{r: New(p.options)}
	st.r.Poison()
	for i := range st.r.segments {
		st.r.segments[i].index = st.r.segments[i].index[:max(p.events, 1)]
	}
	st.start = st.r.Head()
	if p.before != nil {
		p.before(st)
	}
	for i, body := range p.actors {
		a := &actor{id: i}
		st.actors = append(st.actors, a)
		a.resume, a.stop = iter.Pull(func(yield func(struct{}) bool) {
			defer func() {
				if e := recover(); e != nil && e != (curtain{}) {
					a.fault = fmt.Sprint("panic: ", e)
				}
			}()
			a.yield = yield
			body(st, a)
		})
	}
	step = func() { st.step(false) }
	wait = func() { st.step(true) }
	saw = func(v uint64) { st.now.history = mix(st.now.history, v+1) }
	return st
}

func (st *stage) close() {
	step, saw, wait = nil, nil, nil
	for _, a := range st.actors {
		a.stop()
	}
}

func (st *stage) step(waiting bool) {
	a := st.now
	a.history = mix(a.history, 7)
	a.waiting = waiting
	if st.where != nil {
		st.where()
	}
	if st.ahead > 0 {
		st.ahead--
		return
	}
	if !a.yield(struct{}{}) {
		panic(curtain{})
	}
}

// turn lets an actor take n steps.
func (st *stage) turn(actor, n int) {
	st.now, st.ahead = st.actors[actor], n-1
	st.now.waiting = false
	if _, more := st.now.resume(); !more {
		st.now.over = true
	}
}

func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

// hash is where everything stands, except whose turn it was.
func (st *stage) hash() uint64 {
	h := mix(st.r.active.v, st.r.oldest.v)
	if st.r.skipping.held {
		h++
	}
	for i := range st.r.segments {
		s := &st.r.segments[i]
		h = mix(mix(mix(h, s.state.v), s.next.v), s.ref.v)
		h = mix(mix(mix(h, uint64(s.pins.v)), s.base.v), s.gap.v)
		if s.claimed.v {
			h++
		}
		for k := range s.index {
			h = mix(h, s.index[k].v)
		}
		for _, c := range s.data {
			h = mix(h, uint64(c))
		}
	}
	for _, a := range st.actors {
		h = mix(h, a.history)
	}
	return mix(h, uint64(st.now.id))
}

// check looks at the ring between two steps.
func (st *stage) check() error {
	r := st.r
	for _, a := range st.actors {
		if a.fault != "" {
			return fmt.Errorf("goroutine %d: %s", a.id, a.fault)
		}
	}
	var in [16]bool
	active := ref(r.active.v)
	for f := ref(r.oldest.v); ; {
		s, now := r.at(f), state(r.at(f).state.v)
		switch {
		case ref(s.ref.v) != f:
			return fmt.Errorf("segment %d of the log has ref %x; want %x", s.place, s.ref.v, f)
		case !s.claimed.v:
			return fmt.Errorf("segment %d of the log can be claimed", s.place)
		case !now.of(f.ordinal()):
			return fmt.Errorf("segment %d of the log has the state of another life", s.place)
		case now.bytes() > len(s.data) || now.events() > len(s.index):
			return fmt.Errorf("segment %d has %d events, %d bytes: invariant 5", s.place, now.events(), now.bytes())
		}
		in[s.place] = true
		next := ref(s.next.v)
		linked := next.follows(f.ordinal())
		if linked && r.at(next).base.v != s.base.v+uint64(now.events())+gapOf(s, now) {
			return fmt.Errorf("segment %d starts at %d: invariant 3", r.at(next).place, r.at(next).base.v)
		}
		switch p := now.phase(); {
		case linked && p != sealed && p != gapped:
			return fmt.Errorf("segment %d has a successor in phase %d", s.place, p)
		case f == active && p == closed:
			return fmt.Errorf("segment %d is active and takes no events", s.place)
		case !linked && f != active && (p == sealed || p == gapped || now.events() > 0):
			return fmt.Errorf("segment %d is used before it is active", s.place)
		}
		if !linked {
			break
		}
		f = next
	}
	if !in[r.at(active).place] {
		return fmt.Errorf("the active segment is not in the log")
	}
	for i := range r.segments {
		s := &r.segments[i]
		if !in[i] && state(s.state.v).phase() == open {
			return fmt.Errorf("segment %d takes events and is not in the log: invariant 7", i)
		}
		if s.pins.v < 0 {
			return fmt.Errorf("segment %d has %d pins", i, s.pins.v)
		}
	}
	return nil
}

func gapOf(s *segment, now state) uint64 {
	if now.phase() == gapped {
		return s.gap.v
	}
	return 0
}

// books compares, when everybody is done, what was accepted and what can be read.
func (st *stage) books() error {
	step, saw, wait = nil, nil, nil
	r := st.r
	// One more, undisturbed: after a shortage it finds a segment, and a gap at
	// the end of the log is told to readers now.
	if err := r.Publish(0, []byte{0xE0}); err != nil {
		return fmt.Errorf("Publish() when everybody is done = %v", err)
	}
	st.published++
	if got := uint64(st.start.Behind(r.Head())); got != st.published+st.skipped {
		return fmt.Errorf("the head moved by %d; want %d, as many as were accepted", got, st.published+st.skipped)
	}
	for i := range r.segments {
		s := &r.segments[i]
		if s.pins.v != 0 {
			return fmt.Errorf("segment %d has %d pins at the end", i, s.pins.v)
		}
		if s.claimed.v != (s.ref.v != 0) {
			return fmt.Errorf("segment %d: claimed %v, ref %x at the end", i, s.claimed.v, s.ref.v)
		}
	}
	var got []byte
	var b Batch
	c := st.start
	skipped := uint64(0)
	for r.Read(&c, &b, 1<<10) {
		skipped += b.Skipped
		got = append(got, b.Bytes...)
		b.Release()
	}
	if uint64(len(got))+skipped != st.published+st.skipped || c.Behind(r.Head()) != 0 {
		return fmt.Errorf("read %q, skipped %d; want %d together", got, skipped, st.published+st.skipped)
	}
	for _, a := range st.actors {
		// What is left of an actor's events is a subsequence of them.
		rest := a.accepted
		for _, e := range got {
			if int(e>>5) != a.id+1 {
				continue
			}
			at := bytes.IndexByte(rest, e)
			if at < 0 {
				return fmt.Errorf("read %x; goroutine %d published %x", got, a.id, a.accepted)
			}
			rest = rest[at+1:]
		}
	}
	return nil
}

// A performance that is to be tried: who takes how many steps, one turn after the
// other, and how many interruptions it may still have.
type script struct {
	turns []turn
	left  int
}

type turn struct{ actor, steps int }

func (p *play) run(t *testing.T) {
	most := p.preemptions + *preemptions
	seen := map[uint64]int8{} // hash -> interruptions left, plus one
	todo := []script{}
	for a := range p.actors {
		todo = append(todo, script{[]turn{{a, 1}}, most})
	}
	steps, performances := 0, 0
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		performances++
		st := p.stage()
		for _, now := range s.turns {
			st.turn(now.actor, now.steps)
		}
		for turns := s.turns; ; steps++ {
			err := st.check()
			over := true
			for _, a := range st.actors {
				over = over && a.over
			}
			if err == nil && over {
				err = st.books()
			}
			if err == nil && len(turns) > 500 {
				err = fmt.Errorf("no end after %d turns", len(turns))
			}
			if err != nil {
				st.close()
				t.Fatalf("%v\n%s", err, p.retell(turns))
			}
			if over {
				break
			}
			key := st.hash()
			if int(seen[key]) > s.left {
				break // was here before, with as many interruptions left
			}
			seen[key] = int8(s.left + 1)
			now := st.now
			free := now.over || now.waiting // changing over costs nothing
			on := -1
			if !now.over && !now.waiting {
				on = now.id
			}
			for _, a := range st.actors {
				switch {
				case a.over || a == now && !now.waiting:
				case on < 0 && a != now:
					on = a.id
				case a == now: // waits in vain if the others do not run
				case free:
					todo = append(todo, script{append(turns[:len(turns):len(turns)], turn{a.id, 1}), s.left})
				case s.left > 0:
					todo = append(todo, script{append(turns[:len(turns):len(turns)], turn{a.id, 1}), s.left - 1})
				}
			}
			if on < 0 {
				on = now.id // the others are over
			}
			if last := len(turns) - 1; turns[last].actor == on {
				turns = append(turns[:last:last], turn{on, turns[last].steps + 1})
			} else {
				turns = append(turns[:last+1:last+1], turn{on, 1})
			}
			st.turn(on, 1)
		}
		st.close()
	}
	t.Logf("%d states, %d performances, %d steps, up to %d interruptions", len(seen), performances, steps, most)
}

// retell performs once more and says, turn by turn, where it was interrupted.
func (p *play) retell(turns []turn) string {
	var story strings.Builder
	st := p.stage()
	defer st.close()
	var last string
	st.where = func() {
		var pcs [16]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
		last = ""
		for f, more := frames.Next(); more; f, more = frames.Next() {
			if strings.Contains(f.File, "/ring/") && !strings.Contains(f.File, "steps") {
				last += fmt.Sprintf(" %s:%d", f.Function[strings.LastIndexByte(f.Function, '.')+1:], f.Line)
			}
		}
	}
	for _, now := range turns {
		last = " its end"
		st.turn(now.actor, now.steps)
		fmt.Fprintf(&story, "  goroutine %d takes %d steps, up to%s\n", now.actor, now.steps, last)
	}
	return story.String()
}

// Actors.

// between two calls an actor is nowhere: only what has come of them counts.
func (a *actor) between(also ...uint64) {
	a.calls++
	a.history = mix(0, uint64(a.calls))
	for _, e := range a.accepted {
		a.history = mix(a.history, uint64(e))
	}
	for _, v := range also {
		a.history = mix(a.history, v)
	}
}

// publishes has an actor publish n events of one byte, each different.
func publishes(n int) func(*stage, *actor) {
	return func(st *stage, a *actor) {
		for i := range n {
			e := byte((a.id+1)<<5 + i)
			if st.r.Publish(0, []byte{e}) == nil {
				a.accepted = append(a.accepted, e)
				st.published++
			}
			a.between()
		}
	}
}

// publishesRun has an actor publish n events of one byte at once.
func publishesRun(n int) func(*stage, *actor) {
	return func(st *stage, a *actor) {
		var events run
		for i := range n {
			events = append(events, byte((a.id+1)<<5+i))
		}
		done, _ := st.r.PublishRun(0, events)
		a.accepted = events[:done]
		st.published += uint64(done)
		a.between()
	}
}

type run []byte

func (r run) Len() int            { return len(r) }
func (r run) Size(int) int        { return 1 }
func (r run) Put(i int, b []byte) { before(); b[0] = r[i] }

// comesBack has an actor look for the place of an event, and read on from there.
func comesBack(after uint64) func(*stage, *actor) {
	return func(st *stage, a *actor) {
		seq := st.start.seq + after
		if c, ok := st.r.Find(seq); !ok {
			// Behind a hole: nobody can have read so far.
			a.between()
		} else if c.seq != seq {
			a.fault = fmt.Sprintf("Find(%d) = %d", seq, c.seq)
		} else {
			a.between(1)
			a.read(st, c, 2)
		}
	}
}

// joins has an actor take the head, and read on from there.
func joins(st *stage, a *actor) {
	c := st.r.Head()
	a.between(1)
	a.read(st, c, 2)
}

func skips(n uint64) func(*stage, *actor) {
	return func(st *stage, a *actor) {
		if st.r.Skip(n) == nil {
			st.skipped += n
			a.accepted = append(a.accepted, byte(n))
		}
		a.between()
	}
}

// reads has an actor read from the start, several batches, holding each a while.
func reads(batches int) func(*stage, *actor) {
	return func(st *stage, a *actor) { a.read(st, st.start, batches) }
}

func (a *actor) read(st *stage, c Cursor, batches int) {
	var b Batch
	for range batches {
		a.between(c.seq, uint64(c.ref), uint64(c.slot))
		from := c.seq
		if !st.r.Read(&c, &b, 1) {
			continue
		}
		if c.seq-from != b.Skipped+uint64(b.Events) || int64(b.Skipped) < 0 {
			a.fault = fmt.Sprintf("read %d, skipped %d; the cursor moved by %d", b.Events, int64(b.Skipped), int64(c.seq-from))
		}
		held := bytes.Clone(b.Bytes)
		a.history = mix(a.history, mix(b.Skipped, uint64(len(held))))
		for _, e := range held {
			a.history = mix(a.history, uint64(e))
			if e>>5 == 0 || e == 0xDB {
				a.fault = fmt.Sprintf("read %x, which nobody published", held)
			}
		}
		before()
		if !bytes.Equal(b.Bytes, held) {
			a.fault = fmt.Sprintf("%x became %x while it was pinned", held, b.Bytes)
		}
		b.Release()
	}
}

func TestEveryInterleaving(t *testing.T) {
	tiny := Options{SegmentBytes: 4, Window: 2, Spares: 1}
	full := func(events int) func(*stage) {
		return func(st *stage) {
			for range events {
				if err := st.r.Publish(0, []byte{0xE0}); err != nil {
					panic(err)
				}
				st.published++
			}
		}
	}
	for _, p := range []play{
		{name: "two publishers", preemptions: 2, options: tiny, before: full(1), actors: []func(*stage, *actor){publishes(1), publishes(4)}},
		{name: "three publishers", preemptions: 1, options: tiny, before: full(2), actors: []func(*stage, *actor){publishes(1), publishes(1), publishes(2)}},
		{name: "a publisher and a reader", preemptions: 3, options: tiny, actors: []func(*stage, *actor){publishes(5), reads(3)}},
		{name: "a publisher and a reader that joins", preemptions: 3, options: tiny, actors: []func(*stage, *actor){publishes(5), joins}},
		{name: "two publishers and a reader", preemptions: 1, options: tiny, before: full(1), actors: []func(*stage, *actor){publishes(3), publishes(1), reads(2)}},
		{name: "a publisher and two skips", preemptions: 1, options: tiny, before: full(1), actors: []func(*stage, *actor){publishes(3), skips(2), skips(3)}},
		{name: "a run and a publisher", preemptions: 2, options: tiny, events: 2, before: full(1), actors: []func(*stage, *actor){publishesRun(5), publishes(2)}},
		{name: "a run and a reader", preemptions: 3, options: tiny, events: 2, actors: []func(*stage, *actor){publishesRun(6), reads(3)}},
		{name: "a publisher and a reader that comes back", preemptions: 2, options: tiny, before: full(3), actors: []func(*stage, *actor){publishes(4), comesBack(2)}},
		{name: "a publisher, a skip and a reader that comes back", preemptions: 1, options: tiny, before: full(1), actors: []func(*stage, *actor){publishes(3), skips(3), comesBack(1)}},
	} {
		t.Run(p.name, p.run)
	}
}
