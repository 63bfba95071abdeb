package relay

import (
	"testing"
	"time"
)

// Where there are too many, the silent ones make room, or the one silent for longest.
func TestOriginsAreBounded(t *testing.T) {
	t.Parallel()
	var o origins[int]
	start := time.Now()
	for id := range maxOrigins {
		o.hear(id, start.Add(time.Duration(id)))
	}
	o.part(7)
	o.part(7)
	o.hear(maxOrigins, start.Add(time.Minute))
	if _, oldest := o.known[0]; oldest || len(o.known) != maxOrigins || o.here.Load() != maxOrigins-1 {
		t.Errorf("%d origins, %d of them here, the oldest is known: %v; want %d, one less, false", len(o.known), o.here.Load(), oldest, maxOrigins)
	}
	o.hear(maxOrigins+1, start.Add(originMemory+30*time.Second))
	if len(o.known) != 2 || o.here.Load() != 2 {
		t.Errorf("%d origins, %d of them here; want 2", len(o.known), o.here.Load())
	}
	if o.hear(maxOrigins, start.Add(time.Hour)); o.here.Load() != 2 {
		t.Errorf("%d origins are here; want one that comes again counted once", o.here.Load())
	}
}
