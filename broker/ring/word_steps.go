//go:build ringsteps

package ring

// The build tag ringsteps replaces everything that goroutines share by types that
// ask before every operation whether it is their turn. All of it runs on one
// goroutine at a time, so the values are plain.

// step runs before an operation and returns when it may be done; saw is told what
// it found. wait is a step of somebody who cannot go on until others have run.
// Nil: nobody is playing, go on at once.
var (
	step func()
	saw  func(uint64)
	wait func()
)

func before() {
	if step != nil {
		step()
	}
}

func found(v uint64) uint64 {
	if saw != nil {
		saw(v)
	}
	return v
}

func foundBool(b bool) bool {
	if b {
		found(1)
	} else {
		found(0)
	}
	return b
}

type word struct{ v uint64 }

func (w *word) Load() uint64   { before(); return found(w.v) }
func (w *word) Store(v uint64) { before(); w.v = v }
func (w *word) CompareAndSwap(old, v uint64) bool {
	before()
	swap := w.v == old
	if swap {
		w.v = v
		before() // what was won is used with plain operations: not at once
	}
	return foundBool(swap)
}

type counter struct{ v int64 }

func (c *counter) Load() int64       { before(); return int64(found(uint64(c.v))) }
func (c *counter) Add(d int64) int64 { before(); c.v += d; return 0 } // nobody looks at the sum

type boolean struct{ v bool }

func (f *boolean) Load() bool   { before(); return foundBool(f.v) }
func (f *boolean) Store(v bool) { before(); f.v = v }
func (f *boolean) CompareAndSwap(old, v bool) bool {
	before()
	swap := f.v == old
	if swap {
		f.v = v
	}
	return foundBool(swap)
}

type mutex struct{ held bool }

func (m *mutex) Lock() {
	before()
	for m.held {
		giveWay()
	}
	m.held = true
}

func (m *mutex) Unlock() { before(); m.held = false }

func giveWay() {
	if wait != nil {
		wait()
	}
}

// patience is short: looking again finds nothing new until others have run.
const patience = 1
