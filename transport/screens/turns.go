package screens

import "time"

// turns let only a few at a time do what takes processors. Each keeps its place for as long
// again as it took, maxRest at most, so that those who follow each other closely leave time
// to others.
type turns chan struct{}

const maxRest = 50 * time.Millisecond

// do calls f in a turn.
func (t turns) do(f func()) {
	t <- struct{}{}
	begin := time.Now()
	defer func() { time.AfterFunc(min(time.Since(begin), maxRest), func() { <-t }) }()
	f()
}
