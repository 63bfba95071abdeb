// Package tidy gives memory back to the system after a wave of something has passed: an
// idle process has no reason to collect what the wave left.
package tidy

import (
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// quiet is for how long nothing further may come.
const quiet = 5 * time.Second

// A Tidier gives memory back some seconds after the last call of Later. The zero Tidier is
// ready. Its methods may be called by any goroutine.
type Tidier struct {
	// Before, if not nil, is called first. Fixed before the first call of Later.
	Before func()

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
}

// Later says that there is something to give back, when it is quiet.
func (t *Tidier) Later() {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopped:
	case t.timer == nil:
		t.timer = time.AfterFunc(quiet, t.tidy)
	default:
		t.timer.Reset(quiet)
	}
}

func (t *Tidier) tidy() {
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
