package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"event-dispatcher/broker/redis"
)

const (
	batch  = 200 // members that one call to the server covers
	atOnce = 32  // calls under way where each member needs its own

	batchBytes = 1 << 20 // of events that one call writes; the last may exceed it
)

// each calls do for all items, some at the same time, while the server answers.
func each[T any](ctx context.Context, g *redis.Guard, items []T, do func(T)) {
	for some := range slices.Chunk(items, atOnce) {
		if ctx.Err() != nil || !g.Up() {
			return
		}
		var all sync.WaitGroup
		for _, item := range some {
			all.Go(func() { do(item) })
		}
		all.Wait()
	}
}

// maintain brings the server up to date and clears up after instances that died.
func (s *Redis) maintain(ctx context.Context) {
	tick := time.NewTicker(s.options.Lease / 3)
	defer tick.Stop()
	for {
		back, due := false, true
		select {
		case <-ctx.Done():
			return
		case <-s.cameUp:
			back = true
		case <-s.writes.evicted:
			due = false
		case <-tick.C:
		}
		if !s.guard.Up() {
			continue
		}
		s.writes.unstoreExtra()
		if !due {
			continue
		}
		if back {
			// The server may have lost all, or removed our users.
			s.attendance.renewAll(ctx)
			s.misses.unsettle()
		}
		s.attendance.adoptAgain(ctx)
		s.attendance.endAgain(ctx)
		s.writes.catchUp(ctx)
		s.writes.leavePractices()
		s.attendance.reap(ctx)
	}
}
