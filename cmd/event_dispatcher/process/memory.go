package process

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"event-dispatcher/transport/metric"
)

// ObeyMemoryLimit has the collector of garbage keep the heap below nine tenths of the
// container's limit. It returns that limit in bytes, or the one of GOMEMLIMIT if there
// is none; 0: there is no limit.
func ObeyMemoryLimit() (limit int, err error) {
	_, err = memlimit.Set(memlimit.WithRatio(0.9))
	if n, e := memlimit.FromCgroup(); e == nil && n < math.MaxInt64/2 {
		return int(n), err
	}
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		return int(n), err
	}
	return 0, err
}

// Limits are what the process may have at most, by what it is: for operators.
type Limits []Limit

// A Limit is one of them.
type Limit struct {
	Of  string
	Max int // 0: none is known
}

// Collect implements [metric.Source].
func (ls Limits) Collect(to metric.Emitter) {
	for _, l := range ls {
		to.Gauge("limit", "The most that there may be of something; 0 if there is no limit.", float64(l.Max), "of", l.Of)
	}
}
