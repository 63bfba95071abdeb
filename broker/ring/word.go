//go:build !ringsteps

package ring

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// What goroutines share, by names of our own: with the build tag ringsteps a test
// takes their place and decides who runs next, before every single operation
// (steps_test.go). Without it they are the standard library's types, and cost
// what those cost.
type (
	word    = atomic.Uint64
	counter = atomic.Int64
	boolean = atomic.Bool
	mutex   = sync.Mutex
)

// giveWay lets others run that may have what the caller waits for.
func giveWay() { runtime.Gosched() }

// patience is how often a publisher that finds no free segment looks again.
const patience = 16
