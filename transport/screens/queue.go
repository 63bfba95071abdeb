package screens

import "slices"

// Bounds of a socket's queue. A socket that takes its frames keeps it empty.
const (
	maxQueue      = 1024    // frames
	maxQueueBytes = 1 << 20 // but one frame may be larger
)

// placeBytes is what a frame takes in a queue, about: a pointer, and as much of the array
// that is free.
const placeBytes = 16

// A queue has the live frames that wait for a socket, oldest first. What is too much is
// dropped from the front: the newest are the ones that matter to a screen. The socket's
// lock guards it.
type queue struct {
	frames []*frame // each with a reference and a place; nil if there are none
	taken  int      // from the front of the array
	bytes  int64
}

// put puts a frame behind those that wait. It returns how many it drops.
func (q *queue) put(f *frame) (dropped int) {
	if len(q.frames) == cap(q.frames) {
		q.taken = 0 // in the next array
	}
	q.frames = append(q.frames, f.share())
	q.bytes += f.size
	f.place(placeBytes)
	for len(q.frames) > 1 && (len(q.frames) > maxQueue || q.bytes > maxQueueBytes) {
		q.take().release()
		dropped++
	}
	return dropped + q.purge()
}

// purge drops the frames that are given up: those are the oldest.
func (q *queue) purge() (dropped int) {
	for len(q.frames) > 0 && q.frames[0].lost() {
		q.take().release()
		dropped++
	}
	return dropped
}

// take takes the oldest frame out, with its reference.
func (q *queue) take() *frame {
	f := q.frames[0]
	q.frames[0] = nil
	q.frames = q.frames[1:]
	q.bytes -= f.size
	f.place(-placeBytes)
	switch q.taken++; {
	case len(q.frames) == 0:
		q.frames, q.taken = nil, 0 // idle sockets keep no array
	case q.taken > len(q.frames):
		q.frames, q.taken = slices.Clone(q.frames), 0
	}
	return f
}

// clear takes all out.
func (q *queue) clear() {
	for len(q.frames) > 0 {
		q.take().release()
	}
}
