//go:build unix

package relay

import (
	"sync/atomic"
	"testing"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/testkit"
)

// A subscriber that does not keep up loses messages in the library, which are counted,
// also when the subscription has ended.
func TestNATSSlowConsumerIsCounted(t *testing.T) {
	t.Parallel()
	server := natstest.Start(t)
	c := carrier(t, server.URL())
	failed := func(err error) { t.Error(err) }
	out, err := c.Out(t.Context(), failed)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := c.In(t.Context(), failed)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	began, blocked, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	channel := Channel{Name: "slow"}
	var heard atomic.Int64
	go func() {
		defer close(ended)
		_ = in.Hear(t.Context(), channel, func() { close(began) }, func(string) {
			if heard.Add(1) == 1 {
				close(blocked)
				<-release
			}
		})
	}()
	<-began
	send := func(n int) {
		parcels := make([]Parcel, n)
		for i := range parcels {
			parcels[i] = Parcel{Channel: channel, Text: []byte("x")}
		}
		if out.Publish(parcels); parcels[n-1].Err != nil {
			t.Fatal(parcels[n-1].Err)
		}
	}
	send(1)
	<-blocked
	const more = 2 * natsMessages
	send(more)
	testkit.Eventually(t, "what does not fit is counted", func() bool { return in.Overflows() > 0 })
	close(release)
	testkit.Eventually(t, "heard + counted = sent", func() bool { return uint64(heard.Load())+in.Overflows() == 1+more })
	counted := in.Overflows()
	in.Close()
	<-ended
	if got := in.Overflows(); got != counted {
		t.Errorf("Overflows() = %d after the end; want %d", got, counted)
	}
}
