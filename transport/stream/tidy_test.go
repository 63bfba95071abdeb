package stream

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// Compressors are most of what such consumers had.
func TestMemoryIsGivenBackAfterCompressedViews(t *testing.T) {
	const views = 16
	for encoding, want := range map[wire.Encoding]bool{wire.Identity: false, wire.Gzip: true} {
		synctest.Test(t, func(t *testing.T) {
			p := &Pool{views: wantedViews{most: views, dense: views, views: map[view.View]*wanted{}}}
			forced := func() uint32 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.NumForcedGC
			}
			before := forced()
			for i := range views {
				want, ok := p.views.use(view.View{Format: wire.Format{Encoding: encoding}, Pace: view.Pace{MaxDelay: time.Duration(i)}})
				if !ok {
					t.Fatal("no place for a view")
				}
				p.release(want, nil)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := forced() > before; got != want {
				t.Errorf("memory was given back after %d views with encoding %s: %v; want %v", views, encoding, got, want)
			}
		})
	}
}
