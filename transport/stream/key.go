package stream

import (
	"crypto/sha256"

	"event-dispatcher/transport/view"
)

// A valueKey stands for a value, which may be as long as an event: it is the first half of
// the SHA-256 of the loop's secret and the value. Nobody can make two values that have the
// same one: without the secret there is nothing to try them on but the stream, one event
// at a time. A hash for tables, such as maphash, does not promise that.
type valueKey [16]byte

// keyBytes is what a key takes in a map at most, by and large: with its place 20 bytes, in
// a table that is a third full after it has grown.
const keyBytes = 64

// keyOf is the key of an event's value. Events without the member have one, too.
func (l *loop) keyOf(p *view.Path, event []byte) valueKey {
	l.value, _ = p.AppendKey(append(l.value[:0], l.secret[:]...), event)
	sum := sha256.Sum256(l.value)
	return valueKey(sum[:])
}

// A sharedKey is the key of the value that one member has in the event that is held back
// now: found once, for all herds of a loop that conflate by that member. A value can be as
// long as an event, and there may be hundreds of such herds.
type sharedKey struct {
	herds int
	event uint64 // by loop.heldEvents; key is of this one
	key   valueKey
}

// shareKey has a conflated herd share the key of its member. The pointers to equal paths of
// different views differ; their texts are equal.
func (l *loop) shareKey(f *conflation) {
	k := l.keys[f.path.String()]
	if k == nil {
		k = &sharedKey{}
		l.keys[f.path.String()] = k
	}
	k.herds++
	f.key = k
}

// unshareKey is for a herd that is forgotten.
func (l *loop) unshareKey(f *conflation) {
	if f.key.herds--; f.key.herds == 0 {
		delete(l.keys, f.path.String())
	}
}

// keyFor is the key of the event that is held back now, and how many bytes were read for it:
// none if another herd has asked before.
func (l *loop) keyFor(f *conflation, event []byte) (key valueKey, read int) {
	if k := f.key; k.event != l.heldEvents {
		k.key, k.event = l.keyOf(f.path, event), l.heldEvents
		read = len(event)
	}
	return f.key.key, read
}
