package stream

import (
	"runtime/debug"
	"sync"
	"time"
)

const (
	tidyAtLeast = 4 << 20 // bytes that a loop kept; less is not worth a collection
	tidyAfter   = 5 * time.Second
)

// A tidier gives memory back to the system after loops had kept much: an idle process
// has no reason to collect it.
type tidier struct {
	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
}

// later has it done when no loop has let go of much for a while.
func (t *tidier) later() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopped:
	case t.timer == nil:
		t.timer = time.AfterFunc(tidyAfter, debug.FreeOSMemory)
	default:
		t.timer.Reset(tidyAfter)
	}
}

// stop forgets what is due.
func (t *tidier) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// keptMore notes that a loop keeps more than before.
func (l *loop) keptMore() { l.peak = max(l.peak, l.stats.kept.Load()+l.stats.held.Load()) }

// keptLess notes that it keeps less, and has memory given back if that is much.
func (l *loop) keptLess() {
	if now := l.stats.kept.Load() + l.stats.held.Load(); l.peak >= tidyAtLeast && now < l.peak/2 {
		l.peak = now
		l.pool.tidier.later()
	}
}
