package sharing

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestThoseWhoAskBeforeAReadingBeginsShareIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 100
		var s Readings[string, int]
		gate := make(chan struct{})
		readings := 0 // one at a time
		read := func() int {
			readings++
			n := readings
			<-gate
			return n
		}
		got := make(chan int, callers)
		ask := func(key string) { got <- s.Do(key, read) }
		go ask("p")
		synctest.Wait() // it has begun
		for range callers {
			go ask("p")
		}
		synctest.Wait() // all wait for the second
		if readings != 1 {
			t.Errorf("%d readings at once; want 1", readings)
		}
		gate <- struct{}{}
		if n := <-got; n != 1 {
			t.Errorf("the first got reading %d; want 1", n)
		}
		gate <- struct{}{}
		for range callers {
			if n := <-got; n != 2 {
				t.Errorf("one who asked after the first began got reading %d; want 2", n)
			}
		}
		if readings != 2 || len(s.last) != 0 {
			t.Errorf("%d readings, %d remembered; want 2, 0", readings, len(s.last))
		}
		go ask("p")
		gate <- struct{}{}
		if n := <-got; n != 3 {
			t.Errorf("one who asked afterwards got reading %d; want 3", n)
		}
	})
}

func TestReadingThatPanicsLetsOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Readings[string, int]
		gate, got := make(chan struct{}), make(chan int)
		go func() {
			defer func() { _ = recover() }()
			s.Do("p", func() int { <-gate; panic("broken") })
		}()
		synctest.Wait() // it has begun
		go func() { got <- s.Do("p", func() int { return 2 }) }()
		synctest.Wait()
		close(gate)
		if n := <-got; n != 2 || len(s.last) != 0 {
			t.Errorf("who asked meanwhile got %d, %d readings are remembered; want 2, 0", n, len(s.last))
		}
	})
}

// Those who ask while a key rests share the reading after it; others do not wait.
func TestAKeyRestsBetweenTwoReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rest = time.Minute
		var s Readings[string, int]
		var readings atomic.Int32
		read := func() (int, time.Duration) { return int(readings.Add(1)), rest }
		begin := time.Now()
		if n := s.DoAndRest("p", read); n != 1 || time.Since(begin) > 0 {
			t.Errorf("the first got reading %d after %v; want 1, at once", n, time.Since(begin))
		}
		time.Sleep(rest / 2)
		got := make(chan int)
		for range 10 {
			go func() { got <- s.DoAndRest("p", read) }()
		}
		synctest.Wait()
		if n := s.Do("q", func() int { return 7 }); n != 7 || readings.Load() != 1 || time.Since(begin) != rest/2 {
			t.Errorf("another key got %d after %v, %d readings; want 7 after %v, and 1", n, time.Since(begin), readings.Load(), rest/2)
		}
		for range 10 {
			if n := <-got; n != 2 || time.Since(begin) != rest {
				t.Errorf("who asked during the rest got reading %d after %v; want 2 after %v", n, time.Since(begin), rest)
			}
		}
		time.Sleep(rest)
		synctest.Wait()
		if len(s.last) != 0 {
			t.Errorf("%d readings are remembered after their rest; want none", len(s.last))
		}
	})
}
