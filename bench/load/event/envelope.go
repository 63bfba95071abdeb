package event

import (
	"bytes"
	"errors"
)

// An Envelope is what another server wants around an event, or puts around it. The
// zero value is none.
type Envelope struct {
	text          string
	before, after []byte
}

// Set implements flag.Value: @ stands for the event.
func (e *Envelope) Set(text string) error {
	before, after, ok := bytes.Cut([]byte(text), []byte("@"))
	if !ok || bytes.ContainsRune(after, '@') {
		return errors.New("want one @, which stands for the event")
	}
	*e = Envelope{text, before, after}
	return nil
}

// String implements flag.Value.
func (e *Envelope) String() string { return e.text }

// MarshalText makes the envelope a string in JSON.
func (e Envelope) MarshalText() ([]byte, error) { return []byte(e.text), nil }

// UnmarshalText reads it back.
func (e *Envelope) UnmarshalText(b []byte) error { return e.Set(string(b)) }

// Size is how many bytes it adds.
func (e *Envelope) Size() int { return len(e.before) + len(e.after) }

// Append appends an event in its envelope.
func (e *Envelope) Append(dst, body []byte) []byte {
	return append(append(append(dst, e.before...), body...), e.after...)
}

// Open takes the envelope away, and reports whether there was one.
func (e *Envelope) Open(b []byte) ([]byte, bool) {
	if len(b) < e.Size() || !bytes.HasPrefix(b, e.before) || !bytes.HasSuffix(b, e.after) {
		return nil, false
	}
	return b[len(e.before) : len(b)-len(e.after)], true
}
