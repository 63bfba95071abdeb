package session

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxName is the size in bytes of the longest user, card or practice name.
const MaxName = 256

// Actions.
const (
	Viewing  = "VIEWING_CARD"
	Updating = "UPDATING_CARD"
	Logout   = "USER_LOGOUT"
)

// Types of events.
const (
	UserSession      = "USER_SESSION_EVENT"
	DataNotification = "DATA_NOTIFICATION_EVENT"
)

// An Event is what screens are told. The first six members are the original's.
type Event struct {
	ID     string `json:"eventId"`
	Source string `json:"sourceId"` // the user
	Target string `json:"targetId"` // the card
	Data   string `json:"data"`
	Action string `json:"eventAction"`
	Type   string `json:"type"`

	Practice   string `json:"practiceId,omitempty"` // empty: the default one
	TargetUser string `json:"targetUser,omitempty"` // empty: everybody in the practice
	At         int64  `json:"timestamp,omitempty"`  // Unix ms; 0 from the original

	// Origin is the instance that published the event. It travels between
	// instances only.
	Origin string `json:"origin,omitempty"`
}

// Stored reports whether the event is state, which a page that opens is told,
// and not only news.
func (e Event) Stored() bool {
	return e.Type == UserSession && (e.Action == Viewing || e.Action == Updating)
}

// newerThan orders what instances stored in the same place: of the same millisecond by id, so
// that all of them choose the same.
func (e *Event) newerThan(other *Event) bool {
	return e.At > other.At || e.At == other.At && e.ID > other.ID
}

// replaces is newerThan for an event that the server has. Those of the original have no time; of two
// the server has the later one.
func (e *Event) replaces(other *Event) bool {
	return e.newerThan(other) || e.At == 0 && other.At == 0 && e.ID != other.ID
}

// JSON is the event as one JSON object on one line.
func (e Event) JSON() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic("session: an Event is only strings and a number: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// jsonSize is how many bytes a text that is UTF-8 takes in JSON, without the quotes
// (RFC 8259, section 7; [Event.JSON] escapes U+2028 and U+2029, too).
func jsonSize(text string) int {
	n := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			if c == 0xe2 && (strings.HasPrefix(text[i:], "\u2028") || strings.HasPrefix(text[i:], "\u2029")) {
				n += len(`\u2028`) - len("\u2028")
			}
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			n++
		case c < ' ':
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// Errors of [Decode].
var (
	ErrNotUTF8 = errors.New("not valid UTF-8")
	ErrNotJSON = errors.New("not a JSON object of an event")
	ErrField   = errors.New("a field is missing, too long or unknown")
)

// Decode reads an event that comes from outside: from Redis, where everybody may
// write. Unknown members are ignored.
func Decode(text []byte) (Event, error) {
	if !utf8.Valid(text) {
		return Event{}, ErrNotUTF8
	}
	var e Event
	if err := json.Unmarshal(text, &e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNotJSON, err)
	}
	switch {
	case e.ID == "" || len(e.ID) > MaxName:
		return Event{}, fmt.Errorf("%w: eventId", ErrField)
	case !ValidName(e.Source):
		return Event{}, fmt.Errorf("%w: sourceId", ErrField)
	case len(e.Target) > MaxName:
		return Event{}, fmt.Errorf("%w: targetId", ErrField)
	case e.Action != Viewing && e.Action != Updating && e.Action != Logout:
		return Event{}, fmt.Errorf("%w: eventAction", ErrField)
	case e.Type != UserSession && e.Type != DataNotification:
		return Event{}, fmt.Errorf("%w: type", ErrField)
	case len(e.Practice) > MaxName:
		return Event{}, fmt.Errorf("%w: practiceId", ErrField)
	case len(e.TargetUser) > MaxName:
		return Event{}, fmt.Errorf("%w: targetUser", ErrField)
	case len(e.Origin) > MaxName:
		return Event{}, fmt.Errorf("%w: origin", ErrField)
	}
	return e, nil
}

// ValidName reports whether s can name a user or a card.
func ValidName(s string) bool { return s != "" && len(s) <= MaxName && utf8.ValidString(s) }

// NewID makes an event's id, a random UUID (RFC 9562, version 4).
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
