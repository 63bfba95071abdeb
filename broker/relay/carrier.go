package relay

import (
	"context"
	"errors"
)

// A Carrier takes the messages of relays to each other. What it loses on the way
// the receivers find by the sequences, so it need not promise anything but the order
// of one publisher's messages on one channel.
type Carrier interface {
	// Out connects a publisher, and In a subscriber. Both try until that succeeds or
	// ctx is done; failed is told about every attempt in vain.
	Out(ctx context.Context, failed func(error)) (Out, error)
	In(ctx context.Context, failed func(error)) (In, error)

	// Kind names it in logs, and String the servers, without the login.
	Kind() string
	String() string
}

// A Channel is where messages of one kind go.
type Channel struct {
	Name string
	Part string // below the name; empty: the name itself

	// Original says that the original service is there, too, so that the carrier
	// takes the name, and the plainest way, as they are.
	Original bool
}

// A Parcel is a message on its way out, and what became of it.
type Parcel struct {
	Channel Channel
	Text    []byte // the carrier's until Publish returns

	// Set by Publish.
	Heard int   // how many subscribers got it; Unheard: the carrier does not say
	Err   error // it was not taken, or nobody knows whether it was
}

// ErrTooLarge is the Err of a parcel that the carrier takes at no time.
var ErrTooLarge = errors.New("the message is larger than the carrier takes")

// Unheard is the number of subscribers where a carrier does not tell it.
const Unheard = -1

// An Out is a publisher's connection. It belongs to one goroutine.
type Out interface {
	// Publish sends the parcels in order and waits until each was taken or
	// refused, or the connection was given up: not for long. What had an error is
	// not in doubt if a later parcel has none.
	Publish([]Parcel)

	// Check reports whether what is published goes to where the others listen.
	Check() error

	// MaxMessage is the size in bytes of the largest message; 0 is without limit.
	MaxMessage() int

	Close()
}

// An In is the connection of subscribers.
type In interface {
	// Hear gives the messages of a channel to put until ctx is done, or the
	// subscription ends, and says why. began is called when it stands. Neither
	// may wait. Each channel is heard once at a time.
	Hear(ctx context.Context, c Channel, began func(), put func(text string)) error

	// Overflows is how many messages were thrown away because they came faster
	// than put took them.
	Overflows() uint64

	// Close ends all that is heard. It may be called more than once.
	Close()
}
