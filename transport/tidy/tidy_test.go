package tidy

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func forced() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}

func TestMemoryIsGivenBackWhenManyHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tidier Tidier
		before := forced()
		for range many - 1 {
			tidier.One()
		}
		time.Sleep(2 * quiet)
		synctest.Wait()
		if n := forced() - before; n != 0 {
			t.Errorf("%d collections after %d; want none", n, many-1)
		}
		tidier.One()
		time.Sleep(quiet - 1)
		tidier.One() // not quiet yet
		time.Sleep(quiet - 1)
		synctest.Wait()
		if n := forced() - before; n != 0 {
			t.Errorf("%d collections while they go; want none", n)
		}
		time.Sleep(1)
		synctest.Wait()
		if forced() == before {
			t.Error("no collection when they have gone")
		}
		after := forced()
		tidier.One()
		time.Sleep(2 * quiet)
		synctest.Wait()
		if n := forced() - after; n != 0 {
			t.Errorf("%d collections for one more; want none", n)
		}
	})
}
