package wake

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func join(t *testing.T, g *Gate, wake func()) *Waiter {
	t.Helper()
	w, err := g.Join(wake)
	if err != nil {
		t.Fatalf("Join() = %v; want nil", err)
	}
	return w
}

func TestWakeCallsTheParkedOnly(t *testing.T) {
	var g Gate
	var woken [3]int
	var waiters [3]*Waiter
	for i := range waiters {
		waiters[i] = join(t, &g, func() { woken[i]++ })
	}
	for _, tt := range []struct {
		name string
		do   func()
		want [3]int // in all so far
	}{
		{"nobody is parked", func() {}, [3]int{0, 0, 0}},
		{"two are parked", func() { waiters[0].Announce(); waiters[2].Announce() }, [3]int{1, 0, 1}},
		{"a wake-up takes the announcement back", func() {}, [3]int{1, 0, 1}},
		{"one retracted", func() { waiters[0].Announce(); waiters[1].Announce(); waiters[0].Retract() }, [3]int{1, 1, 1}},
		{"announced twice", func() { waiters[2].Announce(); waiters[2].Announce() }, [3]int{1, 1, 2}},
		{"one left", func() { waiters[1].Announce(); waiters[2].Announce(); waiters[1].Leave() }, [3]int{1, 1, 3}},
	} {
		tt.do()
		g.Wake()
		if g.parked.Load() != 0 {
			t.Errorf("%s: the next publisher pays for a wake-up, too", tt.name)
		}
		if woken != tt.want {
			t.Errorf("%s: woken %v times; want %v", tt.name, woken, tt.want)
		}
	}
}

// Neither is somebody woken who has left, be it while others were woken, nor who has that
// place now.
func TestWhoHasLeftIsNotWoken(t *testing.T) {
	var g Gate
	var second *Waiter
	first := join(t, &g, func() { second.Leave() })
	second = join(t, &g, func() { t.Error("woke a waiter that had left") })
	first.Announce()
	second.Announce()
	g.Wake()

	first.Announce()
	first.Leave()
	join(t, &g, func() { t.Error("woke a waiter that is not parked") })
	g.Wake()
}

func TestGateTakesMaxWaiters(t *testing.T) {
	var g Gate
	woken := 0
	var waiters []*Waiter
	for range MaxWaiters {
		waiters = append(waiters, join(t, &g, func() { woken++ }))
	}
	if _, err := g.Join(func() {}); !errors.Is(err, ErrFull) {
		t.Errorf("Join() of one more = %v; want ErrFull", err)
	}
	if _, err := g.NewSleeper(); !errors.Is(err, ErrFull) {
		t.Errorf("NewSleeper() of one more = %v; want ErrFull", err)
	}
	for _, w := range waiters {
		w.Announce()
	}
	if g.Wake(); woken != MaxWaiters {
		t.Errorf("Wake() woke %d; want %d, the one with the highest bit too", woken, MaxWaiters)
	}

	// Each by itself, those at the ends of groups among them.
	for _, i := range []int{0, 63, 64, 1000, MaxWaiters - 1} {
		woken = 0
		waiters[i].Announce()
		if g.Wake(); woken != 1 {
			t.Errorf("Wake() with waiter %d parked woke %d; want 1", i, woken)
		}
	}

	waiters[40].Leave()
	successor := join(t, &g, func() { woken = -1 })
	waiters[40].Leave() // again: does not cost the successor its place
	successor.Announce()
	if g.Wake(); woken != -1 {
		t.Error("Wake() missed the waiter in a place that had been left")
	}
	if _, err := g.Join(func() {}); !errors.Is(err, ErrFull) {
		t.Errorf("Join() after the place was taken again = %v; want ErrFull", err)
	}
}

func TestSleeperSleepsUntilThereIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Gate
		s, err := g.NewSleeper()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Leave()
		var news atomic.Bool
		woken := make(chan time.Duration, 1)
		start := time.Now()
		go func() {
			<-s.News(news.Load)
			woken <- time.Since(start)
		}()

		synctest.Wait() // the sleeper sleeps
		time.Sleep(time.Hour)
		select {
		case after := <-woken:
			t.Fatalf("woke after %v without news", after)
		default:
		}
		news.Store(true)
		g.Wake()
		if after := <-woken; after != time.Hour {
			t.Errorf("woke after %v; want an hour, at once", after)
		}
	})
}

func TestSleeperDoesNotSleepOnNews(t *testing.T) {
	var g Gate
	s, err := g.NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.News(func() bool { return true }):
	default:
		t.Error("News() blocks although there is news")
	}
	if g.group[0].Load() != 0 {
		t.Error("the sleeper is announced although it does not sleep")
	}
	// However many wake-ups arrive while it is awake, they cost it one look.
	for range 3 {
		s.News(func() bool { return false })
		g.Wake()
	}
	<-s.News(func() bool { return false })
	select {
	case <-s.News(func() bool { return false }):
		t.Error("a wake-up was delivered twice")
	default:
	}
}

// Publishers count up; sleepers sleep whenever they have seen it all. A sleeper
// that misses the wake-up for the last event sleeps for ever, and the test's
// deadline tells.
func TestNoWakeUpIsLost(t *testing.T) {
	const publishers, sleepers = 3, 4
	events := 50_000
	if testing.Short() {
		events /= 10
	}
	var g Gate
	var published atomic.Int64
	var running sync.WaitGroup
	for range 62 { // the sleepers are two in each of two groups
		join(t, &g, func() { t.Error("woke a waiter that was not parked") })
	}
	for range sleepers {
		s, err := g.NewSleeper()
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			defer s.Leave()
			for seen := int64(0); seen < int64(publishers*events); {
				<-s.News(func() bool { return published.Load() != seen })
				seen = published.Load()
			}
		})
	}
	for range publishers {
		running.Go(func() {
			for i := range events {
				published.Add(1)
				g.Wake()
				if i%4 == 0 {
					runtime.Gosched() // let the sleepers park
				}
			}
		})
	}
	running.Wait()
}

// Waiters come and go while publishers wake: those that stay are woken.
func TestNoWakeUpIsLostWhileOthersComeAndGo(t *testing.T) {
	const rounds = 5_000
	var g Gate
	var published atomic.Int64
	var running sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		running.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				w, err := g.Join(func() {})
				if err != nil {
					t.Errorf("Join() = %v; want nil", err)
					return
				}
				w.Announce()
				w.Leave()
			}
		})
	}
	s, err := g.NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	ack := make(chan struct{})
	running.Go(func() {
		for range rounds {
			published.Add(1)
			g.Wake()
			<-ack
		}
	})
	for seen := int64(0); seen < rounds; {
		<-s.News(func() bool { return published.Load() > seen })
		if published.Load() > seen {
			seen++
			ack <- struct{}{}
		}
	}
	close(done)
	running.Wait()
	s.Leave()
}

func BenchmarkWake(b *testing.B) {
	b.Run("parked=0", func(b *testing.B) {
		var g Gate
		for b.Loop() {
			g.Wake()
		}
	})
	b.Run("parked=1", func(b *testing.B) {
		var g Gate
		w, err := g.Join(func() {})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			w.Announce()
			g.Wake()
		}
	})
}
