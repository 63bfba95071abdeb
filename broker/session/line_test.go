package session

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/internal/testkit"
)

func TestWhoLocksFirstPassesThoseInLine(t *testing.T) {
	const others = 20
	var l line
	var order []string // guarded by l
	done := make(chan struct{})
	note := func(name string, lock func()) {
		lock()
		order = append(order, name)
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
			stacks := make([]byte, 1<<20)
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
	if at := slices.Index(order, "first"); at > 1 {
		t.Errorf("%d are before who locks first; want one at most", at)
	}
}
