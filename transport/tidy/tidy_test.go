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

func TestMemoryIsGivenBackWhenMuchIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tidier Tidier
		before := forced()
		for range 16 {
			tidier.Left(worth/16 - 1)
		}
		time.Sleep(2 * quiet)
		synctest.Wait()
		if n := forced() - before; n != 0 {
			t.Errorf("%d collections for less than %d bytes; want none", n, worth)
		}
		tidier.Left(16)
		time.Sleep(quiet - 1)
		tidier.Left(16) // not quiet yet
		time.Sleep(quiet - 1)
		synctest.Wait()
		if n := forced() - before; n != 0 {
			t.Errorf("%d collections while there is more; want none", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if forced() == before {
			t.Error("no collection when it is quiet")
		}
		after := forced()
		tidier.Left(16)
		time.Sleep(2 * quiet)
		synctest.Wait()
		if n := forced() - after; n != 0 {
			t.Errorf("%d collections for a little more; want none", n)
		}
	})
}

// Something that keeps coming does not put it off for ever.
func TestMemoryIsGivenBackAlthoughItIsNeverQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tidier Tidier
		defer tidier.Stop()
		before := forced()
		tidier.Later()
		for start := time.Now(); time.Since(start) < late; {
			time.Sleep(quiet / 2)
			tidier.Later()
		}
		synctest.Wait()
		if n := forced() - before; n == 0 {
			t.Errorf("no collection %v after the first call; want one", late)
		}
	})
}
