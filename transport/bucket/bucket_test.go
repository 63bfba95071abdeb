package bucket

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Hundreds of callers side by side, most of them refused, get what the rate allows and no
// more.
func TestCallersSideBySideGetNoMoreThanTheRate(t *testing.T) {
	t.Parallel()
	const perSecond, callers = 1000, 256
	b := PerSecond(perSecond)
	begin := time.Now()
	var let atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for time.Since(begin) < 300*time.Millisecond {
				if b.Take(1, 0) {
					let.Add(1)
				}
			}
		})
	}
	all.Wait()
	if most := perSecond + perSecond*time.Since(begin).Seconds() + 1; float64(let.Load()) > most {
		t.Errorf("%d events were let in; want %.0f at most", let.Load(), most)
	}
}

func TestTakeAndGive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := PerSecond(10)
		left := func(want float64) {
			t.Helper()
			if got := b.Left(); math.Abs(got-want) > 1e-6 {
				t.Errorf("room for %v events; want %v", got, want)
			}
		}
		if !b.Take(7, 0) {
			t.Error("7 of 10 are refused")
		}
		left(3)
		if b.Take(4, 0) {
			t.Error("4 of 3 are let in")
		}
		left(3)
		if b.Take(4, 2) {
			t.Error("4 of 3 are let in")
		}
		left(1)
		if b.Take(4, 2) {
			t.Error("4 of 1 are let in")
		}
		left(0)
		b.Give(5)
		left(5)
		time.Sleep(100 * time.Millisecond)
		left(6)
		time.Sleep(time.Hour)
		left(10)
		b.Give(100)
		if !b.Take(10, 0) || b.Take(1, 0) {
			t.Error("what is given back makes the burst larger")
		}
	})
	if PerSecond(0) != nil || PerSecond(-1) != nil {
		t.Error("a rate of nothing is a bucket; want none")
	}
	if b := PerSecond(0.1); b.Burst() != 1 || b.Rate() != 0.1 {
		t.Errorf("a tenth of an event per second: burst %d, rate %v; want 1, 0.1", b.Burst(), b.Rate())
	}
	if b := PerSecond(1e12); b.Burst() != math.MaxInt32 {
		t.Errorf("the burst of very many events is %d; want it to fit 32 bits", b.Burst())
	}
}
