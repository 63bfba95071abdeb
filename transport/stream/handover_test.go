package stream

import (
	"fmt"
	"testing"

	"event-dispatcher/transport/view"
)

// Consumers are handed over while the pool drains and closes.
func TestNoDescriptorLeaksWhenServeRacesTheEnd(t *testing.T) {
	before := descriptors(t)
	for _, portable := range []bool{false, true} {
		for range 10 {
			serveDuringTheEnd(t, portable)
		}
		eventually(t, func() string {
			if n := descriptors(t); n != before {
				return fmt.Sprintf("portable=%v: %d descriptors after Close; want %d as before", portable, n, before)
			}
			return ""
		})
	}
}

func serveDuringTheEnd(t *testing.T, portable bool) {
	t.Run(fmt.Sprintf("portable=%v", portable), func(t *testing.T) {
		r := newRig(t, roomy(1), Options{Portable: portable, Loops: 2})
		const consumers = 24
		tickets := make(chan Ticket, consumers)
		for range consumers {
			ticket, err := r.pool.Admit(view.View{Shards: 1})
			if err != nil {
				t.Fatal(err)
			}
			tickets <- ticket
		}
		clients := make(chan *client, consumers)
		serving := make(chan struct{})
		go func() {
			defer close(serving)
			for range consumers {
				clients <- r.serve(<-tickets, joinOptions{})
			}
		}()
		for range consumers / 3 {
			<-clients
		}
		r.drain(0, 0)
		for range consumers / 3 {
			<-clients
		}
		r.pool.Close()
		<-serving
		if n := r.pool.Stats().Consumers; n != 0 {
			t.Errorf("Stats().Consumers = %d after Close; want 0", n)
		}
		r.pool.Close() // again: harmless
		r.drain(0, 0)
	})
}
