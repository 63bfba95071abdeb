package operate

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
	"event-dispatcher/transport/metric"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/static"
	"event-dispatcher/transport/stream"
)

// Options is what [Operators] get to see.
type Options struct {
	Broker *broker.Broker
	Relay  *relay.Relay // nil: there are no other instances

	Pool *stream.Pool

	// Sockets lists users' screens, in a form that encodes. Nil: there are none.
	Sockets func() any

	// Degraded lists what does not work although the service does. Nil: whether
	// the relay is up.
	Degraded func() []string

	// Sources are asked for their metrics in this order.
	Sources []metric.Source

	// Received is how many events players sent; nil: nobody counts.
	Received func() uint64

	// Refusals has counted what was refused. Nil: nothing was.
	Refusals *refusal.Desk

	// ConsoleOff has / say in a few lines what there is.
	ConsoleOff bool

	// Version is shown by dispatcher_build_info.
	Version string
}

// Operators has the handlers for those who run the service. Its methods may be
// called by any goroutine.
type Operators struct {
	// Fixed after New.
	options   Options
	vitals    *vitals
	metrics   fasthttp.RequestHandler
	files     *static.Files // the console's; nil: it is off
	contracts *static.Files
	began     time.Time
	waiting   func() time.Duration // the pool's; tests have another

	state atomic.Uint32 // a State

	mu    sync.Mutex
	ports []string // of players and consumers; guarded by mu
}

// New returns the handlers of a service that is starting.
func New(o Options) *Operators {
	op := &Operators{options: o, vitals: newVitals(), files: consoleFiles(o.ConsoleOff), contracts: contractFiles(), began: time.Now()}
	op.waiting = func() time.Duration { return 0 }
	if o.Pool != nil {
		op.waiting = o.Pool.Waiting
	}
	op.metrics = op.exposition()
	return op
}

// A State is how far the service has come.
type State uint32

const (
	Starting State = iota // nobody is served yet
	Ready
	Draining // from the beginning of the lead on
)

// SetState says how far the service has come.
func (op *Operators) SetState(s State) { op.state.Store(uint32(s)) }

// Started leaves Starting behind; it does not undo what came later.
func (op *Operators) Started() { op.state.CompareAndSwap(uint32(Starting), uint32(Ready)) }

func (op *Operators) is(s State) bool { return State(op.state.Load()) == s }
