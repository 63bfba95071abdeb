package wire

// A Format is everything that decides what bytes an event, or a notice, becomes
// on a connection. It is comparable: consumers with the same format can be handed
// the same slice. The zero Format is what consumers get who ask for nothing.
type Format struct {
	Kind     Kind
	Encoding Encoding

	// Unchunked bodies end with the connection (HTTP/1.0); the others are in
	// chunks, one per event or notice (RFC 9112, section 7.1).
	Unchunked bool

	// Notices are sent as events named "skipped", besides comments.
	Notices bool

	// IDs has a consumer told the places to resume from: each event has its own, in its
	// block of Server-Sent Events, or in a notice right behind it.
	IDs bool
}

// A Kind is the protocol that frames events.
type Kind uint8

const (
	SSE       Kind = iota // Server-Sent Events (WHATWG HTML, section 9.2)
	NDJSON                // one event per line
	WebSocket             // one event per text frame (RFC 6455)
)

var kindNames = [...]string{"sse", "ndjson", "websocket"}

// String is the value of the metric label "wire".
func (k Kind) String() string { return kindNames[k] }

// Kinds are all kinds, in order.
func Kinds() []Kind { return []Kind{SSE, NDJSON, WebSocket} }

// An Encoding is a compression of the body.
type Encoding uint8

const (
	Identity Encoding = iota
	Gzip
)

var encodingNames = [...]string{"identity", "gzip"}

func (e Encoding) String() string { return encodingNames[e] }
