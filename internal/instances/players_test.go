//go:build unix

package instances

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A player posts numbered events at an instance, one after the other, so that
// consumers can tell what of it they got, in which order.
type player struct {
	t    testing.TB
	at   *instance
	id   int
	next atomic.Int64 // events accepted
}

// player returns one with a number that tells it from others.
func (i *instance) player(id int) *player { return &player{t: i.t, at: i, id: id} }

// sent is how many events were accepted.
func (p *player) sent() int { return int(p.next.Load()) }

// padding makes an event about 500 bytes long.
var padding = strings.Repeat("x", 470)

// numbered is the nth event of a player.
func numbered(player, n int) string {
	return fmt.Sprintf(`{"player":%d,"n":%d,"pad":"%s"}`, player, n, padding)
}

// publish posts n events, which must be accepted.
func (p *player) publish(n int) {
	p.t.Helper()
	for range n {
		if err := p.Post(); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *player) Post() error {
	n := p.sent() + 1
	if status, _, err := p.at.Post("/metrics", numbered(p.id, n)); status != 200 {
		return fmt.Errorf("POST of event %d = %d, %v; want 200", n, status, err)
	}
	p.next.Add(1)
	return nil
}

// A load is a player who goes on until stopped.
type load struct {
	*player
	times []time.Time // at which the events were accepted; for the test once stopped
	quit  chan struct{}
	ended chan struct{}
	fail  error
}

// load publishes so many events per second, or fewer on a slow machine. All must
// be accepted.
func (p *player) load(rate int) *load {
	l := &load{player: p, quit: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-l.quit:
				return
			case <-tick.C:
			}
			if l.fail = p.Post(); l.fail != nil {
				return
			}
			l.times = append(l.times, time.Now())
		}
	}()
	return l
}

// stop ends the load; every POST was answered 200.
func (l *load) stop() {
	l.t.Helper()
	close(l.quit)
	<-l.ended
	if l.fail != nil {
		l.t.Error(l.fail)
	}
}

// before is how many events had been accepted at a time.
func (l *load) before(at time.Time) int {
	n := 0
	for n < len(l.times) && l.times[n].Before(at) {
		n++
	}
	return n
}
