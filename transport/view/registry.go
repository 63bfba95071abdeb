package view

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"
)

// Options bounds what strangers can ask for. The zero value is what production
// runs.
type Options struct {
	// MaxDistinct is how many different selections, and as many shapes,
	// consumers can have at a time. Each costs one to 50 KB here, and
	// as much in every loop's [Matcher]. Zero means 4096.
	MaxDistinct int

	// MaxGeneral is how many of the selections can be without an equality: all
	// conditions of those are evaluated for every event, some 20 ns each. The others can
	// have as many conditions, besides one equality each, as so many selections can have:
	// all events may fulfil that. As many views can be conflated: the events of those are
	// read and held back for each. Zero means 256.
	MaxGeneral int

	// MaxConditions is how many where parameters a view can have. Zero means
	// 16; more than 64 means 64.
	MaxConditions int

	// MaxValues is how many values a condition can have. Zero means 64.
	MaxValues int

	// MaxMembers is how many paths the members parameter can have. Zero means 32; more
	// than 64 means 64.
	MaxMembers int

	// MaxDepth is how many names a path can have: it is how deep a pass goes
	// into events. Zero means 8; more than 16 means 16.
	MaxDepth int

	// MaxQuery is the length of all parameters in bytes, decoded and without
	// the token. Zero means 4096.
	MaxQuery int
}

func (o Options) withDefaults() Options {
	for field, value := range map[*int]int{
		&o.MaxDistinct: 4096, &o.MaxGeneral: 256, &o.MaxConditions: 16, &o.MaxValues: 64,
		&o.MaxMembers: 32, &o.MaxDepth: 8, &o.MaxQuery: 4096,
	} {
		if *field == 0 {
			*field = value
		}
	}
	o.MaxDepth = min(o.MaxDepth, 16)
	o.MaxConditions, o.MaxMembers = min(o.MaxConditions, 64), min(o.MaxMembers, 64)
	return o
}

// ErrTooMany is returned by Intern when as many different views are in use as
// there may be. It is not the fault of the one who asks.
var ErrTooMany = errors.New("too many different views are in use; try again later, or ask for one that others use")

// A Registry makes equal views the same pointers. It keeps only weak ones, so what
// a consumer asked for goes when the last View with it goes, and nobody has to say
// so. But strangers can come and go faster than garbage is collected: what is of views between
// Use and Unuse goes at once with the last. It is for any number of goroutines.
type Registry struct {
	options Options

	mu          sync.Mutex       // guards what follows
	selects     interned[Select] // with an equality
	general     interned[Select] // without
	shapes      interned[Shape]
	conflations interned[Path] // the members to be the latest of, by the whole view
	forced      time.Time      // when a garbage collection was last
}

// NewRegistry returns an empty Registry.
func NewRegistry(o Options) *Registry {
	r := &Registry{options: o.withDefaults()}
	r.selects.load = (*Select).further
	r.selects.mostLoad = r.options.MaxGeneral * r.options.MaxConditions
	return r
}

// InUse is how many different things consumers ask for: selections with an
// equality and without, shapes, and conflated views. Further is the
// conditions of the selections with an equality, besides that.
type InUse struct{ Selects, Further, General, Shapes, Conflated int }

// InUse counts. Some that were never used, as there was no place for their stream, count
// until the next garbage collection.
func (r *Registry) InUse() InUse {
	r.mu.Lock()
	defer r.mu.Unlock()
	selects := r.selects.sweep()
	return InUse{selects, r.selects.loaded, r.general.sweep(), r.shapes.sweep(), r.conflations.sweep()}
}

// Intern replaces what the view points to by what equal views point to. From then on it
// counts as in use, so it is for who opens a stream and not for who only asks. The error
// is [ErrTooMany].
func (r *Registry) Intern(v View) (View, error) {
	if v.Select == nil && v.Shape == nil && v.Pace.Latest == nil {
		return v, nil // most consumers take no lock
	}
	if out, ok := r.tryIntern(v); ok {
		return out, nil
	}
	// What nobody uses counts until it is collected. Strangers can come faster than
	// collections, so one is forced, but not by each of them.
	r.mu.Lock()
	force := time.Since(r.forced) > time.Second
	if force {
		r.forced = time.Now()
	}
	r.mu.Unlock()
	if force {
		runtime.GC()
		r.InUse() // sweeps
		if out, ok := r.tryIntern(v); ok {
			return out, nil
		}
	}
	return View{}, ErrTooMany
}

// Use notes that a stream has the view, which Intern has returned.
func (r *Registry) Use(v View) { r.note(v, 1) }

// Unuse is the reverse: the stream is over.
func (r *Registry) Unuse(v View) { r.note(v, -1) }

func (r *Registry) note(v View, more int) {
	if v.Select == nil && v.Shape == nil && v.Pace.Latest == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := v.Select; s != nil && s.keyed() {
		r.selects.note(s.text, s, more)
	} else if s != nil {
		r.general.note(s.text, s, more)
	}
	if s := v.Shape; s != nil {
		r.shapes.note(s.text, s, more)
	}
	if p := v.Pace.Latest; p != nil {
		r.conflations.note(v.Canonical(), p, more)
	}
}

func (r *Registry) tryIntern(v View) (View, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := true
	if s := v.Select; s != nil && s.keyed() {
		v.Select, ok = r.selects.get(s.text, s, r.options.MaxDistinct)
	} else if s != nil {
		v.Select, ok = r.general.get(s.text, s, r.options.MaxGeneral)
	}
	if s := v.Shape; s != nil && ok {
		v.Shape, ok = r.shapes.get(s.text, s, r.options.MaxDistinct)
	}
	if p := v.Pace.Latest; p != nil && ok {
		v.Pace.Latest, ok = r.conflations.get(v.Canonical(), p, r.options.MaxGeneral)
	}
	return v, ok
}

// interned is a set of values by what their text hashes to, so that a dead entry
// costs a few words however long the text was.
type interned[T any] struct {
	load     func(*T) int // what a value costs besides its place; nil: nothing
	mostLoad int          // of all together; fixed, like load

	m       map[[sha256.Size]byte]interning[T]
	loaded  int // of the entries, dead ones among them
	sweepAt int // entries, dead ones among them
	swept   time.Time
}

type interning[T any] struct {
	value weak.Pointer[T]
	load  int
	uses  int // streams that have it; 0 also if it is only asked about
}

// get returns the value with that text: the one that is there, or v. It fails if
// v would be one too many.
func (s *interned[T]) get(text string, v *T, most int) (*T, bool) {
	key := sha256.Sum256([]byte(text))
	if there := s.m[key].value.Value(); there != nil {
		return there, true
	}
	one := s.intern(v)
	full := func() bool { return len(s.m) >= most || s.loaded+one.load > s.mostLoad }
	// Dead entries are looked for whenever the map has doubled, which costs
	// nothing per entry, and now and then when they stand in the way.
	if len(s.m) >= s.sweepAt || full() && time.Since(s.swept) > 10*time.Millisecond {
		s.sweepAt = 2*s.sweep() + 16
	}
	if full() {
		return nil, false
	}
	s.put(key, one)
	return v, true
}

func (s *interned[T]) intern(v *T) interning[T] {
	one := interning[T]{value: weak.Make(v)}
	if s.load != nil {
		one.load = s.load(v)
	}
	return one
}

func (s *interned[T]) put(key [sha256.Size]byte, one interning[T]) {
	if s.m == nil {
		s.m = make(map[[sha256.Size]byte]interning[T])
	}
	s.loaded += one.load - s.m[key].load // a dead one may be there
	s.m[key] = one
}

// note counts streams that have v. With the last one it goes. Who has an equal value that was
// there before, or comes later, is not counted.
func (s *interned[T]) note(text string, v *T, more int) {
	key := sha256.Sum256([]byte(text))
	one, there := s.m[key]
	switch now := one.value.Value(); {
	case now == v:
	case more > 0 && now == nil: // the last of those who had it went since v was returned
		one = s.intern(v)
	default:
		return
	}
	if one.uses += more; one.uses > 0 {
		s.put(key, one)
	} else if there {
		s.loaded -= one.load
		delete(s.m, key)
	}
}

// sweep removes dead entries and returns how many are left.
func (s *interned[T]) sweep() int {
	for key, one := range s.m {
		if one.value.Value() == nil {
			s.loaded -= one.load
			delete(s.m, key)
		}
	}
	s.swept = time.Now()
	return len(s.m)
}

// A ParamError says which parameter cannot be served, and why. It has nothing in
// it of what the client sent.
type ParamError struct {
	Param   string
	Reason  string
	TooMuch bool // a view cannot have so many; Param "query" is the length of all
}

func (e *ParamError) Error() string { return strings.TrimSuffix(e.Param+": "+e.Reason, ": ") }
