package trial

import (
	"context"
	"time"

	"event-dispatcher/bench/internal/cast"
	"event-dispatcher/bench/internal/plan"
	"event-dispatcher/bench/internal/process"
)

// notes connects the processes of a run with what its record says of them.
type notes struct {
	record *Record
	cast   cast.Cast
	died   map[*cast.Actor]bool // before their time
}

// of is where the record keeps what it says of the process.
func (n *notes) of(i int) *ServerSide {
	if i < len(n.record.Beside) {
		return &n.record.Beside[i].ServerSide
	}
	return &n.record.Server
}

// take makes notes of a cast, which lacks the last processes when their start
// failed.
func take(r *Record, c cast.Cast, companions int) *notes {
	n := &notes{record: r, cast: c, died: make(map[*cast.Actor]bool)}
	for _, a := range c[:min(len(c), companions)] {
		r.Beside = append(r.Beside, &Companion{Name: a.Name})
	}
	for i, a := range c {
		n.of(i).Command = a.Command
	}
	return n
}

// alive reports whether all processes still run, and records which do not.
func (n *notes) alive() bool {
	for _, a := range n.cast {
		if how, ended := a.Ended(); ended {
			n.died[a] = true
			n.record.fail("%s died: %s", a.Name, how)
		}
	}
	return len(n.died) == 0
}

// stop ends all processes and records how they ended.
func (n *notes) stop() {
	n.cast.Stop()
	for i, a := range n.cast {
		note := n.of(i)
		note.Ended, note.Log = a.Stop(), a.Log()
		if !n.died[a] && note.Ended != a.Ends && !inOrder(note.Ended, n.record.Role) {
			n.record.fail("%s ended with %s", a.Name, note.Ended)
		}
	}
}

// inOrder reports whether a process ended the way it should: only the product,
// and what it needs, know how to shut down.
func inOrder(status, role string) bool {
	return role != Product && role != Before || status == "exit status 0"
}

// scrapeWindow scrapes the server twice while the load measures, away from the
// window's ends. What it returns waits for that, or cuts it short when the load
// has ended already.
func (n *notes) scrapeWindow(ctx context.Context, s *plan.Scenario) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		for _, at := range []struct {
			when string
			due  time.Duration
		}{{ScrapeEarly, s.Warmup + s.Duration/10}, {ScrapeLate, s.Warmup + s.Duration*9/10}} {
			select {
			case <-time.After(time.Until(start.Add(at.due))):
				_ = scrape(ctx, n.cast.Server(), &n.record.Server, at.when) // the load tells what is wrong
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// scrape notes the metrics of the server and of other instances of the product.
func (n *notes) scrape(ctx context.Context, when string) {
	for i, a := range n.cast {
		if a.Product {
			if err := scrape(ctx, a, n.of(i), when); err != nil {
				n.record.fail("scrape %s: %v", a.Name, err)
			}
		}
	}
}

func scrape(ctx context.Context, a *cast.Actor, note *ServerSide, when string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := process.Get(ctx, a.Address(), "/metrics", 1<<20)
	if err == nil {
		note.Scrapes = append(note.Scrapes, Scrape{when, Exposition(body)})
	}
	return err
}
