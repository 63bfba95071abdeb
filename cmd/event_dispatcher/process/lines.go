package process

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/transport/metric"
)

// Lines stand between those who log and a writer that may stall or be gone, as
// stderr does when its reader stops reading or ends. A goroutine of its own writes;
// the caller only puts a line into a queue, and a line that finds the queue full is
// dropped and counted. So a log costs lines, never a stream.
type Lines struct {
	to     io.Writer
	notice func(dropped uint64) []byte // a line that tells of dropped ones

	queue chan []byte
	end   chan struct{} // closed by Close
	done  chan struct{} // closed by the goroutine
	once  sync.Once

	waiting atomic.Int64 // bytes in the queue
	dropped atomic.Uint64
}

// Bounds of the queue: a burst of lines of usual length, and few of great length.
const (
	maxLines     = 4096
	maxLineBytes = 1 << 20
)

// flushTime is how long Close waits for a writer that stalls.
const flushTime = time.Second

// newLines starts the goroutine that writes. notice makes the line that tells how many
// lines were dropped, once lines go through again.
func newLines(to io.Writer, notice func(dropped uint64) []byte) *Lines {
	l := &Lines{to: to, notice: notice, queue: make(chan []byte, maxLines), end: make(chan struct{}), done: make(chan struct{})}
	go l.write()
	return l
}

// Write takes a line, which it copies. It never waits and never fails.
func (l *Lines) Write(line []byte) (int, error) {
	n := int64(len(line))
	if l.waiting.Add(n) > maxLineBytes {
		l.waiting.Add(-n)
		l.dropped.Add(1)
		return len(line), nil
	}
	select {
	case l.queue <- append([]byte(nil), line...):
	default:
		l.waiting.Add(-n)
		l.dropped.Add(1)
	}
	return len(line), nil
}

// Sync implements [zapcore.WriteSyncer]. Lines are on their way already; waiting for
// them would be what Lines are there to avoid.
func (l *Lines) Sync() error { return nil }

// write writes until Close, and then what is left in the queue.
func (l *Lines) write() {
	defer close(l.done)
	var told uint64
	for {
		select {
		case line := <-l.queue:
			told = l.put(line, told)
		case <-l.end:
			for {
				select {
				case line := <-l.queue:
					told = l.put(line, told)
				default:
					return
				}
			}
		}
	}
}

// put writes a line, behind one that tells of dropped lines if there are more of them
// than told. It returns how many have been told of.
func (l *Lines) put(line []byte, told uint64) uint64 {
	if n := l.dropped.Load(); n > told {
		if _, err := l.to.Write(l.notice(n - told)); err == nil {
			told = n
		}
	}
	if _, err := l.to.Write(line); err != nil {
		l.dropped.Add(1)
	}
	l.waiting.Add(int64(-len(line)))
	return told
}

// Close writes what is in the queue, for a second at most: a writer that stalls does
// not keep the program from ending. Lines that come later are dropped.
func (l *Lines) Close() {
	l.once.Do(func() { close(l.end) })
	limit := time.NewTimer(flushTime)
	defer limit.Stop()
	select {
	case <-l.done:
	case <-limit.C:
	}
}

// Dropped is how many lines were lost.
func (l *Lines) Dropped() uint64 { return l.dropped.Load() }

// Collect implements [metric.Source].
func (l *Lines) Collect(to metric.Emitter) {
	to.Counter("log_lines_dropped_total", "Log lines that were lost because the reader of stderr stalled or was gone.", l.dropped.Load())
}

// Say writes a last line to w, and waits a second at most for a writer that stalls.
func Say(w io.Writer, line string) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		_, _ = io.WriteString(w, line+"\n") // nobody is left to tell
	}()
	limit := time.NewTimer(flushTime)
	defer limit.Stop()
	select {
	case <-said:
	case <-limit.C:
	}
}
