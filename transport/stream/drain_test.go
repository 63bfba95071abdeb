package stream

import (
	"context"
	"io"
	"sort"
	"sync"
	"testing"
	"time"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

func TestDrainDeliversWhatWasPublished(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		healthy := r.join(joinOptions{})
		subset := r.join(joinOptions{shards: 0b10})
		slow := r.join(joinOptions{buffer: 64 << 10, chunk: 4 << 10})
		for i := range 400 {
			r.publish(i%2, 4000)
		}
		healthy.conn.Write(make([]byte, 20_000)) // nobody reads it: must not become a reset
		r.drain(0, 0)
		for i, c := range []*client{healthy, subset, slow} {
			c.wantEnd(t)
			got, want := c.books(), r.published(c.shards)-c.joined
			if got.received != want || got.skipped != 0 || got.retries != 1 {
				t.Errorf("client %d: received %d, skipped %d, %d farewells; want %d, 0, 1", i, got.received, got.skipped, got.retries, want)
			}
		}
		r.wantClosed(ReasonDrained, 3)
		if st := r.pool.Stats(); st.Consumers != 0 || st.Lagging != 0 {
			t.Errorf("Stats() = %d consumers, %d lagging after Drain; want 0, 0", st.Consumers, st.Lagging)
		}
	})
}

func TestDrainKeepsSilenceFirst(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const silence = 600 * time.Millisecond
		o.KeepAlive = 40 * time.Millisecond
		r := newRig(t, roomy(1), o)
		all := []*client{r.join(joinOptions{}), r.join(joinOptions{})}
		for _, c := range all {
			c.awaitOpening(t)
		}
		start := time.Now()
		drained := make(chan struct{})
		go func() {
			r.drain(silence, 0)
			close(drained)
		}()
		eventually(t, func() string {
			if !silent(r.pool.loops[0]) {
				return "the drain has not begun"
			}
			return ""
		})
		before := r.pool.Stats().Bytes
		r.publish(0, 10) // is not kept back
		r.settle(all...)
		<-drained
		if took := time.Since(start); took < silence {
			t.Errorf("streams ended after %v; want %v of silence first", took, silence)
		}
		var want uint64
		for _, c := range all {
			c.wantEnd(t)
			want += uint64(len(appendFrame(nil, event{size: 10})) + len(wire.Format{}.AppendEnd(wire.Format{}.AppendFarewell(nil, 10*time.Second))))
		}
		// One keep-alive each may have been on its way.
		if got := r.pool.Stats().Bytes - before; got > want+uint64(len(all)*len(wire.Format{}.KeepAlive())) {
			t.Errorf("%d bytes were written from the silence on; want %d at most: an event and a farewell each", got, want)
		}
	})
}

func TestDrainSpreadsEndsOverTheWindow(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const consumers, window = 20, 400 * time.Millisecond
		r := newRig(t, roomy(1), o)
		var all []*client
		for range consumers {
			c := r.join(joinOptions{})
			c.awaitOpening(t)
			all = append(all, c)
		}
		for _, c := range all[:3] { // some places are empty
			c.conn.Close()
		}
		r.wantClosed(ReasonLeft, 3)
		var mu sync.Mutex
		var ends []time.Duration
		var reading sync.WaitGroup
		start := time.Now()
		for _, c := range all[3:] {
			reading.Go(func() {
				<-c.done
				mu.Lock()
				ends = append(ends, time.Since(start))
				mu.Unlock()
			})
		}
		r.drain(0, window)
		reading.Wait()
		sort.Slice(ends, func(i, k int) bool { return ends[i] < ends[k] })
		for i, at := range ends {
			if earliest := time.Duration(i) * window / time.Duration(len(ends)); at < earliest {
				t.Errorf("%d of %d streams had ended after %v; want not before %v", i+1, len(ends), at, earliest)
			}
		}
		for _, c := range all[3:] {
			c.wantEnd(t)
		}
	})
}

func TestDrainCutsLaggardsAtItsDeadline(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall, o.drainStall = time.Hour, time.Hour // however slow the machine
		r := newRig(t, roomy(1), o)
		healthy := r.join(joinOptions{})
		laggard := r.join(joinOptions{buffer: 8 << 10, stalled: true})
		for range 1500 {
			r.publish(0, 4000)
		}
		r.settle(healthy)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			<-healthy.done
			cancel()
		}()
		r.pool.Drain(ctx, 0, 0)
		if ctx.Err() == nil {
			t.Error("Drain returned before its deadline; want it to wait for the laggard")
		}
		healthy.wantEnd(t)
		laggard.resume()
		<-laggard.done
		if got := laggard.books(); got.retries != 0 || got.wrong != "" {
			t.Errorf("laggard: %d farewells, wrong %q; want 0, none", got.retries, got.wrong)
		}
		r.wantClosed(ReasonDeadline, 1)
		r.wantClosed(ReasonDrained, 1)
	})
}

// Other instances go on publishing while this one drains.
func TestDrainEndsWhileEventsKeepComing(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, tiny(1), o)
		var all []*client
		for range 30 {
			all = append(all, r.join(joinOptions{}))
		}
		stop := make(chan struct{})
		var publishing sync.WaitGroup
		publishing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.publish(0, 100)
				}
			}
		})
		all[0].awaitEvents(t, 100)
		before := r.published(1)
		r.drain(0, 50*time.Millisecond)
		close(stop)
		publishing.Wait()
		for i, c := range all {
			c.wantEnd(t)
			if got := c.books(); got.received+got.skipped < before-c.joined {
				t.Errorf("client %d: received %d + skipped %d; want %d at least, published before the drain", i, got.received, got.skipped, before-c.joined)
			}
		}
	})
}

func TestDrainOfNobodyReturnsAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		r.drain(time.Hour, time.Hour)
	})
}

func TestSecondDrainAndSecondCloseAreHarmless(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Loops = 3
		r := newRig(t, roomy(1), o)
		all := []*client{r.join(joinOptions{}), r.join(joinOptions{}), r.join(joinOptions{})}
		var ending sync.WaitGroup
		for range 3 {
			ending.Go(func() { r.drain(20*time.Millisecond, 20*time.Millisecond) })
		}
		ending.Wait()
		for _, c := range all {
			c.wantEnd(t)
		}
		for range 3 {
			ending.Go(r.pool.Close)
		}
		ending.Wait()
		r.drain(0, 0)
		r.publish(0, 10) // wakes nobody any more
		if got := r.pool.Inspect(); len(got) != 0 {
			t.Errorf("Inspect() after Close = %+v; want none", got)
		}
	})
}

// A pool that is closed without a drain cuts its consumers.
func TestCloseCutsWhoeverIsLeft(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		c := r.join(joinOptions{})
		r.publish(0, 10)
		r.settle(c)
		r.pool.Close()
		<-c.done
		if got := c.books(); got.retries != 0 {
			t.Errorf("%d farewells; want 0", got.retries)
		}
		r.wantClosed(ReasonDeadline, 1)
	})
}

// Consumers that were admitted before the drain and handed over after it get a
// whole stream, if a short one.
func TestConsumerHandedOverAfterTheDrainIsEndedCleanly(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(1), o)
		ticket, err := r.pool.Admit(view.View{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		r.publish(0, 10)
		r.drain(0, 0)
		c := r.serve(ticket, joinOptions{})
		c.wantEnd(t)
		if got := c.books(); got.retries != 1 || got.received != 1 || got.end != io.EOF {
			t.Errorf("received %d events, %d farewells, then %v; want 1, 1, EOF", got.received, got.retries, got.end)
		}
		r.wantClosed(ReasonDrained, 1)
	})
}

// A consumer that takes nothing does not keep a drain for as long as its stall limit
// allows while the service runs.
func TestDrainDoesNotWaitForAStalledConsumerToTheEnd(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.Stall = time.Hour
		r := newRig(t, roomy(1), o)
		stalled := r.join(joinOptions{stalled: true, buffer: 8 << 10})
		for range 1000 { // more than its socket takes
			r.publish(0, 4000)
		}
		r.wantHerd(stalled, false)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			r.pool.Drain(ctx, 0, 0)
		}()
		select {
		case <-drained:
		case <-time.After(patience):
			t.Fatalf("the drain still waits after %v", patience)
		}
		stalled.resume()
	})
}

// Who goes elsewhere comes back soon, others when the window is over; many take longer,
// as far as the window has not spread them.
func TestRetryAtADrain(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for _, tt := range []struct {
		name      string
		elsewhere bool
		window    time.Duration
		consumers int
		elapsed   time.Duration // since the ends began
		low, high time.Duration
	}{
		{"elsewhere", true, 5 * time.Second, 200, 0, soon, soon + time.Second},
		{"elsewhere, later", true, 5 * time.Second, 200, 4 * time.Second, soon, soon + time.Second},
		{"elsewhere, many", true, 5 * time.Second, 10_000, 0, soon, soon + 5*time.Second},
		{"elsewhere, no window", true, 0, 10_000, 0, soon, soon + 10*time.Second},
		{"alone, the first", false, 5 * time.Second, 200, 0, 6 * time.Second, 7 * time.Second},
		{"alone, the last", false, 5 * time.Second, 200, 5 * time.Second, time.Second, 2 * time.Second},
		{"alone, a laggard", false, 5 * time.Second, 200, 9 * time.Second, time.Second, 2 * time.Second},
	} {
		l := &loop{pool: &Pool{options: Options{Elsewhere: tt.elsewhere}, loops: make([]*loop, 2)}}
		d := &drainer{plan: drainPlan{window: tt.window}, from: begun, total: tt.consumers / 2}
		if low, high := d.retry(l, begun.Add(tt.elapsed)); low != tt.low || high != tt.high {
			t.Errorf("%s: retry after %v to %v; want %v to %v", tt.name, low, high, tt.low, tt.high)
		}
	}
}
