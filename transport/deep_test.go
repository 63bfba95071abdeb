package transport

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// deepest is how deep values may be nested.
const deepest = 10_000

// Not parallel: it watches the stacks of the whole process.
func TestDeepBodiesTakeLittleStack(t *testing.T) {
	// A goroutine whose stack grew beyond this ends the process.
	const most = 8 << 20
	defer debug.SetMaxStack(debug.SetMaxStack(most))
	s := start(t)
	const at, clients = 200_000, 4
	inner := strings.Repeat("[", deepest-1) + strings.Repeat("]", deepest-1)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for body, want := range map[string]int{
				strings.Repeat("[", at):                               400,
				strings.Repeat(`{"a":`, at/5):                         400,
				strings.Repeat("[", at/2) + strings.Repeat("]", at/2): 400,
				strings.Repeat("[[]", at/3):                           400,
				strings.Repeat("]", at):                               400,
				`{"a":` + inner + `}`:                                 200,
			} {
				for _, path := range []string{"/metrics", "/api/events"} {
					if a := s.send(request("POST", path, body)); a.status != want {
						t.Errorf("POST %s of %.10q..., %d bytes = %d %q; want %d", path, body, len(body), a.status, a.body, want)
					}
				}
			}
		})
	}
	all.Wait()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.StackInuse > clients*most {
		t.Errorf("stacks in use = %d MiB; want at most %d", m.StackInuse>>20, clients*most>>20)
	}
}
