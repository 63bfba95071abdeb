package session

import "time"

// A Store keeps the events and the active users. Practices are compared without
// regard to case, and an empty one is the default. Methods may be called by any
// goroutine; none fails, see the package comment.
type Store interface {
	// Practices says which practice is the default one.
	Practices() Practices

	// Put makes the event the latest of its practice, user and action, and returns it: its
	// time is later then than that of the one it replaces, if that is not some seconds ahead,
	// so that all instances take it for the later one. Events that are not [Event.Stored] are
	// ignored.
	Put(Event) Event

	// Latest is what is stored of a user, at most one event per action, oldest
	// first. AnyPractice finds the user's latest wherever it is.
	Latest(practice, user string) []Event

	// Replay is what is stored of the practice's active users, oldest first. The
	// slice may be shared: it must not be modified.
	Replay(practice string) []Event

	// Join counts one more socket of the user. It reports whether the user has one at
	// another instance, or may have one, because the store could not find out.
	Join(practice, user string) (elsewhere bool)

	// Leave counts one less. If it was the last one anywhere, the user is not
	// active any more, and Leave reports true. What is stored of the user is then
	// deleted, unless it is to be kept. A grace period is the caller's: it leaves late.
	Leave(practice, user string, keep bool) (last bool)
}

// AnyPractice stands for all practices in [Store.Latest]. No name can contain it.
const AnyPractice = "\xff"

// Options tunes a store. The zero value is what production runs.
type Options struct {
	// TTL is how long an event is stored. Zero means an hour, negative for ever.
	TTL time.Duration

	// MaxEvents and MaxBytes bound what is held in memory; the oldest go
	// first. Zero means 100,000 and 64 MiB.
	MaxEvents int
	MaxBytes  int

	// MaxAbsentBytes bounds events of users without a socket here, and what Redis
	// keeps for this instance of users without a socket anywhere; their oldest go
	// first. Zero means 16 MiB.
	MaxAbsentBytes int

	// DefaultPractice is the practice of events and users that name none.
	// Empty means "myPracticeId".
	DefaultPractice string
}

func (o Options) withDefaults() Options {
	if o.TTL == 0 {
		o.TTL = time.Hour
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = 100_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.MaxAbsentBytes == 0 {
		o.MaxAbsentBytes = 16 << 20
	}
	return o
}

// actions are the ones whose events are stored.
var actions = [...]string{Viewing, Updating}
