package access

// A Right is what a request needs.
type Right uint8

const (
	Anyone  Right = iota // nothing: probes, and what says nothing about others
	Publish              // hand events to the broker
	Consume              // read events
	Operate              // see metrics, consumers, profiles
)

var rightNames = [...]string{"anyone", "publish", "consume", "operate"}

func (r Right) String() string { return rightNames[r] }
