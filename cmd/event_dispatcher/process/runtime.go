package process

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// Profile samples one in rate contentions, and blocks of rate nanoseconds; 0: none.
func Profile(rate int) {
	if rate > 0 {
		runtime.SetMutexProfileFraction(rate)
		runtime.SetBlockProfileRate(rate)
	}
}

// ForgoMemoryProfile ends the samples of allocations: without a listener for operators nobody
// can ask for them. The runtime keeps them for ever, in a table that it comes to use a page
// at a time, up to 2 MB in some hours.
var ForgoMemoryProfile = sync.OnceFunc(func() { runtime.MemProfileRate = 0 })

// CollectOften has garbage collected more often, unless GOGC says how often. Most of the
// heap is the ring, which is no garbage, and the hot paths make none: it costs nothing,
// and the process stays within a quarter of what it needs instead of twice.
func CollectOften() (undo func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(25)
	return func() { debug.SetGCPercent(before) }
}

// AddProcessors has n more goroutines run at once, unless GOMAXPROCS says how many.
func AddProcessors(n int) (undo func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + n)
	return func() { runtime.GOMAXPROCS(before) }
}
