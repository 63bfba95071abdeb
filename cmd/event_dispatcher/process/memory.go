package process

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
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
