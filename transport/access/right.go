package access

// A Right is what a request needs of the one who asks.
type Right uint8

const (
	None    Right = iota // everybody may
	Publish              // events and session events
	Consume              // streams, sockets and what is stored of users
	Operate              // metrics, consumers, profiles
)

var rightNames = [...]string{"none", "publish", "consume", "operate"}

func (r Right) String() string { return rightNames[r] }
