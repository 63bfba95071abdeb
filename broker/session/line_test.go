package session

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
)

func TestWhoLocksFirstPassesThoseInLine(t *testing.T) {
	const others = 200
	var l line
	var order []string // guarded by l
	done := make(chan struct{})
	note := func(name string, lock func()) {
		lock()
		order = append(order, name)
		time.Sleep(time.Millisecond) // so that nobody takes it twice before another one wakes up
		if len(order) == others+1 {
			close(done)
		}
		l.Unlock()
	}
	l.Lock()
	for range others {
		go note("in line", l.Lock)
	}
	await := func(method string, want int) {
		testkit.Eventually(t, method, func() bool {
			stacks := make([]byte, 4<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			n := 0
			for goroutine := range strings.SplitSeq(string(stacks), "\n\n") {
				if strings.Contains(goroutine, "[sync.Mutex.Lock") && strings.Contains(goroutine, method) {
					n++
				}
			}
			return n == want
		})
	}
	await("session.(*line).Lock(", others)
	go note("first", l.LockFirst)
	await("session.(*line).LockFirst(", 1)
	l.Unlock()
	<-done
	// One or two; more if the machine is slow.
	if at := slices.Index(order, "first"); at > others/2 {
		t.Errorf("%d of %d are before who locks first", at, others)
	}
}
