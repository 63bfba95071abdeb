package stream

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"event-dispatcher/broker"
)

// resume joins again, after the last id that a client got.
func (r *rig) resume(c *client, j joinOptions) *client {
	r.t.Helper()
	seen := c.books()
	if len(seen.ids) == 0 {
		r.t.Fatal("no id on the stream")
	}
	j.view.Shards = c.shards
	ticket, ok, err := r.pool.Resume(j.view, seen.ids[len(seen.ids)-1])
	if !ok || err != nil {
		r.t.Fatalf("Resume(%q) = %v, %v; want true", seen.ids[len(seen.ids)-1], ok, err)
	}
	return r.serve(ticket, j)
}

// A consumer that leaves and comes back, again and again, gets every event once or is
// told of it: what came after its last id comes again, and nothing else does.
func TestConsumerThatComesBackGoesOnWhereItWas(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		for _, tt := range []struct {
			name   string
			broker broker.Options
			query  string
		}{
			{"all is retained", roomy(2), "ids=1"},
			{"all is retained, lines", roomy(2), "ids=1&wire=ndjson"},
			{"all is retained, frames of a shard", roomy(2), "ids=1&wire=ws&shards=1"},
			{"little is retained", tiny(2), "ids=1"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, tt.broker, o)
				j := joinOptions{view: newViews(t, r.broker).of(tt.query)}
				j.shards = j.view.Shards
				stop := make(chan struct{})
				var reading sync.WaitGroup
				publishing := r.keepPublishing(2, stop)
				var coming sync.WaitGroup
				coming.Add(4)
				go func() {
					coming.Wait()
					close(stop)
				}()
				for k := range 4 {
					reading.Go(func() {
						random := rand.New(rand.NewPCG(7, uint64(k)))
						c := r.join(j)
						first, sum := c.joined, uint64(0)
						for range 15 {
							time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond)
							eventually(t, func() string {
								if len(c.books().ids) < 2 {
									return "no id after an event"
								}
								return ""
							})
							c.conn.Close()
							<-c.done
							sum += c.atID
							before := c
							if c = r.resume(c, j); c.joined != before.joined+before.atID {
								t.Errorf("stream goes on at %d; want %d", c.joined, before.joined+before.atID)
							}
							if wrong := before.books().wrong; wrong != "" {
								t.Error(wrong)
							}
						}
						coming.Done()
						publishing.Wait()
						r.settle(c)
						got := c.books()
						if total := sum + got.received + got.skipped; total != r.published(c.shards)-first {
							t.Errorf("received and skipped %d over all streams; want %d", total, r.published(c.shards)-first)
						}
						if got.skipped > 0 && tt.broker.Bytes > 1<<20 {
							t.Errorf("skipped %d; want 0: all is retained", got.skipped)
						}
					})
				}
				reading.Wait()
			})
		}
	})
}

// A place that is retained no more is told exactly.
func TestResumeTellsWhatIsGone(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, tiny(1), o)
		j := joinOptions{view: newViews(t, r.broker).of("ids=1")}
		c := r.join(j)
		r.publish(0, 10)
		r.settle(c)
		c.conn.Close()
		<-c.done
		for range 1000 {
			r.publish(0, 100)
		}
		c = r.resume(c, j)
		r.settle(c)
		if got := c.books(); got.skipped == 0 || got.received == 0 || got.notices != 1 {
			t.Errorf("received %d, skipped %d in %d notices; want some of both, and one", got.received, got.skipped, got.notices)
		}
		r.wantClosed(ReasonLeft, 1)
	})
}

func TestIDThatSaysNothingHereIsNoPlace(t *testing.T) {
	t.Parallel()
	r := newRig(t, roomy(2), Options{Loops: 1})
	for range 5 {
		r.publish(0, 10)
	}
	v := newViews(t, r.broker).of("ids=1")
	epoch := string(appendPlace(nil, r.broker, nil))
	for _, tt := range []struct {
		id     string
		is, ok bool
	}{
		{epoch + ".5.0", true, true},
		{epoch + ".3.0", true, true},
		{epoch + ".6.0", true, false},
		{epoch + ".18446744073709551615.0", true, false},
		{epoch + ".3", true, false},
		{epoch + ".3.0.0", true, false},
		{"0.3.0", true, false},
		{epoch + ".-3.0", false, false},
		{epoch + ".+3.0", false, false},
		{epoch + ".99999999999999999999.0", false, false},
		{epoch + "..", false, false},
		{epoch, false, false},
		{"", false, false},
		{"garbage", false, false},
		{"\x00.1.1", false, false},
	} {
		ticket, ok, err := r.pool.Resume(v, tt.id)
		if err != nil {
			t.Fatalf("Resume(%q) = %v; want nil", tt.id, err)
		}
		want := r.published(v.Shards)
		if tt.ok {
			var a, b uint64
			fmt.Sscanf(tt.id[len(epoch):], ".%d.%d", &a, &b)
			want = a + b
		}
		got := uint64(0)
		for _, c := range ticket.cursors {
			got += c.Sequence()
		}
		if ok != tt.ok || got != want || IsID(tt.id) != tt.is {
			t.Errorf("Resume(%q) = %v at %d, IsID %v; want %v, %d, %v", tt.id, ok, got, IsID(tt.id), tt.ok, want, tt.is)
		}
		ticket.Forget()
	}
}
