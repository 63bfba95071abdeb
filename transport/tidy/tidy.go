// Package tidy gives memory back to the system after a wave of something has passed: an
// idle process has no reason to collect what the wave left.
package tidy

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	quiet = 5 * time.Second  // for so long nothing further may come
	late  = 10 * time.Second // after that long it is no longer waited for
	worth = 16 << 20         // bytes; fewer are not worth a collection
)

// A Tidier gives memory back some seconds after the last call of Later, and twice as many
// after the first one at most. The zero Tidier is ready. Its methods may be called by any goroutine.
type Tidier struct {
	// Before, if not nil, is called first. Fixed before the first call of Later.
	Before func()

	left atomic.Int64 // bytes since memory was given back

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	due     bool      // the timer runs
	by      time.Time // no later than then
	stopped bool
}

// Left says that something is over that had about so many bytes: when it is much in all,
// there is something to give back.
func (t *Tidier) Left(bytes int) {
	if t.left.Add(int64(bytes)) >= worth {
		t.Later()
	}
}

// Later says that there is something to give back, when it is quiet.
func (t *Tidier) Later() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	now := time.Now()
	if !t.due {
		t.due, t.by = true, now.Add(late)
	}
	wait := min(quiet, t.by.Sub(now))
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.tidy)
		return
	}
	t.timer.Reset(wait)
}

func (t *Tidier) tidy() {
	t.mu.Lock()
	t.due = false
	t.mu.Unlock()
	t.left.Store(0)
	if t.Before != nil {
		t.Before()
	}
	runtime.GC() // what pools hold survives the first collection
	debug.FreeOSMemory()
}

// Stop forgets what is due, and whatever comes.
func (t *Tidier) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
