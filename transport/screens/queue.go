package screens

// Bounds of a socket's queue. A socket that takes its frames keeps it empty.
const (
	maxQueue      = 1024    // frames
	maxQueueBytes = 1 << 20 // but one frame may be larger
)

// A queue has the live frames that wait for a socket, oldest first. What is too much is
// dropped from the front: the newest are the ones that matter to a screen. The socket's
// lock guards it.
type queue struct {
	frames []*frame // each with a reference; nil if there are none
	bytes  int64
}

// put puts a frame behind those that wait. It returns how many it drops.
func (q *queue) put(f *frame) (dropped int) {
	q.frames = append(q.frames, f.share())
	q.bytes += f.size
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
	if q.frames = q.frames[1:]; len(q.frames) == 0 {
		q.frames = nil // idle sockets keep no array
	}
	q.bytes -= f.size
	return f
}

// clear takes all out.
func (q *queue) clear() {
	for len(q.frames) > 0 {
		q.take().release()
	}
}
