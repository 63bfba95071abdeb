package screens

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"event-dispatcher/broker/session"
)

// A lingeringStore lets others go on behind a Put, as one behind a network does.
type lingeringStore struct{ session.Store }

func (s lingeringStore) Put(e session.Event) session.Event {
	defer runtime.Gosched()
	return s.Store.Put(e)
}

// What a user submits at the same time is stored, shown and published in one order.
func TestConcurrentSubmitsOfAUserEndEverywhereAlike(t *testing.T) {
	t.Parallel()
	h := newHost(t, HubOptions{})
	h.tie(lingeringStore{h.store}, h.note)
	alice, watcher := h.dial("p/alice"), h.dial("p/watcher")
	h.eventually("both are there", func() bool { return h.opened() == 2 })
	const rounds, submits = 100, 8
	var shown []string
	for round := range rounds {
		var submitting sync.WaitGroup
		for n := range submits {
			submitting.Go(func() { h.submit("p", "alice", fmt.Sprint(round, "/", n)) })
		}
		submitting.Wait()
		for range submits {
			e := watcher.next()
			shown = append(shown, e.Data)
			if own := alice.next(); own != e {
				t.Errorf("round %d: alice sees %q where the watcher sees %q", round, own.Data, e.Data)
			}
		}
		if stored := h.service.Latest("alice"); len(stored) != 1 || stored[0].Data != shown[len(shown)-1] {
			t.Fatalf("round %d: %+v is stored; the screens end with %q", round, stored, shown[len(shown)-1])
		}
	}
	h.telling.Lock()
	defer h.telling.Unlock()
	var told []string
	for _, e := range h.published {
		told = append(told, e.Data)
	}
	if !slices.Equal(told, shown) {
		t.Error("other instances were told in another order than the screens here")
	}
}
