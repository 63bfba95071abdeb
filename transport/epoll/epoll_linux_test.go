package epoll

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newSet(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newPair(t *testing.T) [2]int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
	})
	return pair
}

// A goroutine that opens a descriptor between two closes gets the number of the closed
// one. Not parallel, so that this is us.
func TestSetClosesItsDescriptorOnce(t *testing.T) {
	s := newSet(t)
	s.Close()
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, s.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	s.Close()
	s.Wake()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		t.Errorf("descriptor %d, number %d of the closed set: %v; want it open", fd, s.fd, err)
	}
}

func TestWaitFindsEverySocketInOneRound(t *testing.T) {
	t.Parallel()
	s := newSet(t)
	const sockets = 600 // more than fit into its events at once
	for slot := range sockets {
		if err := s.Add(newPair(t)[0], slot, unix.EPOLLOUT|unix.EPOLLET); err != nil {
			t.Fatal(err)
		}
	}
	found := map[int]int{}
	s.Wake() // is not a socket
	s.Wait(0, func(slot int, _ uint32) { found[slot]++ })
	if len(found) != sockets {
		t.Errorf("Wait() found %d sockets; want %d", len(found), sockets)
	}
	s.Wait(0, func(slot int, _ uint32) { t.Errorf("Wait() found slot %d again; want each edge once", slot) })
}

// Without an end to the wait these would never return.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	none := func(slot int, events uint32) { t.Errorf("found slot %d, events %x; want none", slot, events) }

	s := newSet(t)
	s.Wake()
	s.Wait(-1, none) // a wake-up that came before
	s.Wait(time.Millisecond, none)

	pair := newPair(t)
	if err := s.Add(pair[0], 7, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	go unix.Write(pair[1], []byte{1})
	for range 2 { // level-triggered: what is not read is found again
		var slots []int
		s.Wait(-1, func(slot int, _ uint32) { slots = append(slots, slot) })
		if len(slots) != 1 || slots[0] != 7 {
			t.Fatalf("found %v; want 7", slots)
		}
	}
	if err := s.Change(pair[0], 7, 0); err != nil {
		t.Fatal(err)
	}
	s.Wait(time.Millisecond, none)
	s.Close()
	s.Wait(-1, none)
}

// The owner is woken for every number that it has not seen, however the two meet.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Parallel()
	s := newSet(t)
	const last = 20_000
	var published, seen atomic.Int64
	go func() {
		for n := int64(1); n <= last; n++ {
			published.Store(n)
			s.Wake()
			for n%64 == 0 && seen.Load() < n { // the owner parks now and then
				time.Sleep(time.Microsecond)
			}
		}
	}()
	for seen.Load() < last {
		s.Wait(-1, func(int, uint32) {})
		seen.Store(published.Load())
	}
}
