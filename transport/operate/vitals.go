package operate

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"
)

// A healthReport has exactly the keys of the original, and its types.
type healthReport struct {
	Message       string `json:"message"`
	Timestamp     int64  `json:"timestamp"` // Unix milliseconds
	Alloc         string `json:"alloc"`
	TotalAlloc    string `json:"total_alloc"`
	Sys           string `json:"sys"`
	LiveObjects   string `json:"live_objects"`
	NumGC         string `json:"num_gc"`
	NumGoroutines string `json:"num_goroutines"`
	PauseTotalNS  string `json:"pause_total_ns"`
}

// vitals reads what the runtime keeps anyway; nothing is stopped for it.
type vitals struct {
	mu      sync.Mutex
	samples []metrics.Sample
	gc      debug.GCStats
}

func newVitals() *vitals {
	v := &vitals{}
	for _, name := range []string{
		"/memory/classes/heap/objects:bytes",
		"/gc/heap/allocs:bytes",
		"/memory/classes/total:bytes",
		"/gc/heap/objects:objects",
		"/gc/cycles/total:gc-cycles",
		"/sched/goroutines:goroutines",
	} {
		v.samples = append(v.samples, metrics.Sample{Name: name})
	}
	return v
}

func (v *vitals) report(now time.Time) healthReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	metrics.Read(v.samples)
	debug.ReadGCStats(&v.gc)
	value := func(i int) uint64 { return v.samples[i].Value.Uint64() }
	mib := func(i int) string { return fmt.Sprintf("%d MiB", value(i)>>20) }
	number := func(i int) string { return strconv.FormatUint(value(i), 10) }
	return healthReport{
		Message:       "PONG",
		Timestamp:     now.UnixMilli(),
		Alloc:         mib(0),
		TotalAlloc:    mib(1),
		Sys:           mib(2),
		LiveObjects:   number(3),
		NumGC:         number(4),
		NumGoroutines: number(5),
		PauseTotalNS:  strconv.FormatInt(v.gc.PauseTotal.Nanoseconds(), 10),
	}
}
