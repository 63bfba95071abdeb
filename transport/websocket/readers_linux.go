package websocket

import (
	"io"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A poll waits for many connections on an epoll set and reads what they have, with one
// goroutine, while there are connections. It is level-triggered: what is left of a
// connection is read in the next round, so that nobody keeps others waiting.
type poll struct {
	owner        *Readers
	epoll, event int // closed by run
	buffer       [16 << 10]byte

	// Guarded by the owner.
	readers []*Reader // by slot; nil where free
	free    []int32
}

// polled is a reader's place in a poll.
type polled struct {
	in   *poll // nil: it has none
	raw  syscall.RawConn
	slot int32

	awaits atomic.Pointer[func()] // called when the connection takes bytes; nil: nobody waits
}

// What is waited for.
const (
	readable = unix.EPOLLIN | unix.EPOLLRDHUP
	writable = unix.EPOLLOUT
)

// Await has f be called once when the connection takes bytes again, or has failed. It
// reports false if only a goroutine can wait for that, or if reading has ended; f is not
// called after the end.
func (k *Reader) Await(f func()) bool {
	k.awaits.Store(&f)
	return k.watch(readable|writable) || !k.awaits.CompareAndSwap(&f, nil)
}

// watch changes what is waited for. It reports false if nothing is.
func (k *Reader) watch(events uint32) bool {
	p := k.polled.in
	if p == nil {
		return false
	}
	p.owner.mu.Lock() // so that the poll does not end
	defer p.owner.mu.Unlock()
	if p.readers[k.slot] != k {
		return false
	}
	var err error
	failed := k.raw.Control(func(fd uintptr) {
		err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, int(fd), &unix.EpollEvent{Events: events, Fd: k.slot})
	})
	return failed == nil && err == nil
}

// takes tells who waits for it that the connection takes bytes.
func (k *Reader) takes() {
	f := k.awaits.Swap(nil)
	k.watch(readable)
	if f != nil {
		(*f)()
	}
}

// newPoll is nil if the system allows none: then goroutines read.
func newPoll(owner *Readers) *poll {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: stopSlot}); err != nil {
		unix.Close(epoll)
		unix.Close(event)
		return nil
	}
	p := &poll{owner: owner, epoll: epoll, event: event}
	owner.running.Go(p.run)
	return p
}

// stopSlot marks the eventfd, which is written when the poll ends.
const stopSlot = -1

// pollFor has a poll read the connection. It reports false if there is no descriptor to
// wait for.
func (r *Readers) pollFor(k *Reader) bool {
	sc, ok := k.conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.poll == nil {
		if r.poll = newPoll(r); r.poll == nil {
			return false
		}
	}
	p := r.poll
	if len(p.free) == 0 {
		p.free = append(p.free, int32(len(p.readers)))
		p.readers = append(p.readers, nil)
	}
	slot := p.free[len(p.free)-1]
	failed := raw.Control(func(fd uintptr) {
		err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: readable, Fd: slot})
	})
	if failed != nil || err != nil {
		p.endLocked()
		return false
	}
	p.free = p.free[:len(p.free)-1]
	k.polled.in, k.raw, k.slot = p, raw, slot
	p.readers[slot] = k
	return true
}

// endLocked ends the poll if it has no connection.
func (p *poll) endLocked() {
	if len(p.free) == len(p.readers) {
		p.owner.poll = nil
		unix.Write(p.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// forget takes the reader out of its poll. It is called once.
func (k *polled) forget() {
	p := k.in
	if p == nil {
		return
	}
	k.raw.Control(func(fd uintptr) { unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) }) // else it is closed
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	p.readers[k.slot] = nil
	p.free = append(p.free, k.slot)
	p.endLocked()
}

// run reads until there is no connection left.
func (p *poll) run() {
	defer unix.Close(p.event)
	defer unix.Close(p.epoll)
	var events [256]unix.EpollEvent
	var n int
	var errno error
	attempt := func(fd uintptr) bool {
		n, errno = unix.Read(int(fd), p.buffer[:])
		return true // one attempt
	}
	for {
		found, err := unix.EpollWait(p.epoll, events[:], -1)
		if err != nil {
			continue // EINTR
		}
		for i := range events[:found] {
			slot := events[i].Fd
			if slot == stopSlot {
				return
			}
			p.owner.mu.Lock()
			k := p.readers[slot]
			p.owner.mu.Unlock()
			if k == nil {
				continue // ended earlier in this round
			}
			if events[i].Events&writable != 0 {
				k.takes()
			}
			if events[i].Events&^writable == 0 {
				continue
			}
			err := k.raw.Read(attempt)
			switch {
			case err != nil:
				k.failed(err)
			case errno == unix.EAGAIN, errno == unix.EINTR: // what came is read, or another one had its slot
			case errno != nil:
				k.failed(errno)
			case n == 0:
				k.failed(io.EOF)
			default:
				k.feed(p.buffer[:n])
			}
		}
	}
}
