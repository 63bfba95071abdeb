package screens

import (
	"errors"
	"net"
	"os"
	"time"
)

const (
	writeStep = time.Second
	hurry     = 2 * time.Second // patience while others wait to begin, and a second longer,
	hurryRate = 256 << 10       // and with what the connection takes, in bytes per second
	drainWait = 5 * time.Second // patience once all sockets were told to end
)

// writeLocked has the loop write if there is anything for it.
func (w *writer) writeLocked() {
	if w.writing || w.closed || w.ending || !w.upgraded || !w.open && w.last == nil {
		return
	}
	if w.pong != nil || w.ping || !w.waits && w.more() {
		w.writing = true
		w.box.put(w)
	}
}

// retry begins again after others had to be done first.
func (w *writer) retry() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = false
	w.writeLocked()
}

// write is a turn of the socket's loop: it hands over what there is, as far as the
// connection takes it at once. What it does not take waits until it does.
//
// The batch is the loop's, for its memory.
func (w *writer) write(b *batch) {
	resumed := w.resume(b)
	for left := int64(turnBytes); left > 0; resumed = false {
		if !resumed && !w.nextBatch(b) {
			return
		}
		n, err := w.try(b)
		left -= n
		if err == nil && len(b.bytes) > 0 {
			w.hub.counters.bytes.Add(uint64(n))
			w.park(b.parked(), n > 0, !resumed)
			b.reset()
			return
		}
		if b.size > batchBytes && w.hub.budget.pressed() {
			left = 0 // those who wait are first
		}
		w.wrote(b, n, err)
	}
	w.box.put(w)
}

// flush writes a batch, and what comes behind it, however long it takes. It is the
// goroutine of a socket that does not take everything at once, where only a goroutine can
// wait for it, or when it ends.
func (w *writer) flush(b *batch) {
	for more := true; more; more = w.nextBatch(b) {
		n, err := w.writeAll(b.bytes)
		w.wrote(b, n, err)
	}
}

// nextBatch takes what goes out next. If there is nothing, nobody writes any more.
func (w *writer) nextBatch(b *batch) bool {
	b.reset()
	w.mu.Lock()
	if w.next(b) {
		w.mu.Unlock()
		return true
	}
	if w.armed && !w.ending {
		w.armed = false
		w.conn.SetWriteDeadline(time.Time{})
	}
	w.writing = false
	waits := w.waits
	if w.ending {
		close(w.flushed)
	}
	w.mu.Unlock()
	if waits {
		w.hub.budget.wait(w)
	}
	return false
}

// wrote notes what became of a batch, of which n bytes went out at last.
func (w *writer) wrote(b *batch, n int64, err error) {
	now := time.Now()
	w.hub.counters.bytes.Add(uint64(n))
	switch {
	case err != nil || len(b.frames) == 0:
	case b.end > b.first:
		w.noteReplayed(now, b)
		w.hub.counters.replayed.Add(uint64(len(b.frames)))
	default:
		w.user.lately.add(now, b.frames)
		w.hub.counters.delivered.Add(uint64(len(b.frames)))
	}
	if b.closing {
		w.mu.Lock()
		w.closeBy = now.Add(closeWait)
		w.mu.Unlock()
	}
	for _, f := range b.frames {
		f.done()
		f.release()
	}
	if err != nil {
		w.failed(err)
	}
}

// noteReplayed notes a part of the replay that was written. If the socket has let go of the
// replay meanwhile, it notes the events one by one.
func (w *writer) noteReplayed(now time.Time, b *batch) {
	w.mu.Lock()
	s := w.replayed.share
	w.mu.Unlock()
	if s.replay == nil {
		w.user.lately.add(now, b.frames)
		return
	}
	w.user.lately.addShare(now, s, b.first, b.end)
}

// writeAll hands p to the connection, however long it takes as long as it makes
// progress.
func (w *writer) writeAll(p net.Buffers) (sum int64, err error) {
	begin, size := time.Now(), int64(0)
	for _, part := range p {
		size += int64(len(part))
	}
	for progress := begin; ; {
		patience := w.arm()
		n, err := w.writePart(&p)
		sum += n
		now := time.Now()
		if n > 0 {
			progress = now
		}
		switch {
		case err == nil && len(p) == 0:
			return sum, nil
		case w.hinders(begin, size, now):
			return sum, os.ErrDeadlineExceeded
		case err == nil:
		case w.tls || !errors.Is(err, os.ErrDeadlineExceeded) || now.Sub(progress) >= patience:
			return sum, err
		}
	}
}

// writePart is one write. What it writes of a large frame is bounded, so that progress
// can be seen; over TLS more, because what is not written in time cannot be gone on with.
func (w *writer) writePart(p *net.Buffers) (int64, error) {
	most := 4 * batchBytes
	if w.tls {
		most = batchBytes
	}
	if first := (*p)[0]; len(first) > most {
		n, err := w.conn.Write(first[:most])
		(*p)[0] = first[n:]
		return int64(n), err
	}
	return p.WriteTo(w.conn)
}

// arm gives the connection some time for a write, and returns the patience with one
// that takes nothing. With w locked, because finish shortens it.
func (w *writer) arm() (patience time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = true
	if w.ending {
		w.conn.SetWriteDeadline(w.endBy)
		return 0
	}
	patience = w.patience()
	step := min(patience, writeStep)
	if w.tls { // after a write that was late no other is possible
		step = patience
	}
	w.writeBy = time.Now().Add(step)
	w.conn.SetWriteDeadline(w.writeBy)
	return patience
}

// hasten gives a write over TLS no more time than there is patience now.
func (w *writer) hasten(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if by := now.Add(w.patience()); w.tls && w.armed && !w.ending && by.Before(w.writeBy) {
		w.writeBy = by
		w.conn.SetWriteDeadline(by)
	}
}

// hinders reports whether others wait to begin, or did until just now, while the connection takes too little of so
// many bytes.
func (w *writer) hinders(since time.Time, size int64, now time.Time) bool {
	return now.Sub(since) >= hurry+time.Duration(size)*time.Second/hurryRate && w.hub.budget.pressed()
}

// patience is for how long a connection may take nothing.
func (w *writer) patience() time.Duration {
	switch {
	case w.hub.budget.pressed():
		return min(w.hub.options.Stall, hurry)
	case w.hub.windowOver.Load():
		return min(w.hub.options.Stall, drainWait)
	}
	return w.hub.options.Stall
}
