package websocket

import (
	"io"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"event-dispatcher/transport/epoll"
)

// A poll waits for many connections on an epoll set and reads what they have, with one
// goroutine, while there are connections. It is level-triggered: what is left of a
// connection is read in the next round, so that nobody keeps others waiting.
type poll struct {
	owner  *Readers
	set    *epoll.Set // closed by run
	ended  atomic.Bool
	buffer [16 << 10]byte

	// Guarded by the owner.
	readers []*Reader // by slot; nil where free
	free    []int
}

// polled is a reader's place in a poll.
type polled struct {
	in   *poll // nil: it has none
	raw  syscall.RawConn
	slot int

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
		err = p.set.Change(int(fd), k.slot, events)
	})
	return failed == nil && err == nil
}

// takes tells who waits for it that the connection takes bytes.
//
// Await stores its function and then has the set look out; here it is the other way round.
// So a function for which this ends the looking out was stored before, and the swap finds it:
// none is left that nothing will call. It may be called early, for news of another
// connection that had the slot: then its owner finds that out, and waits again.
func (k *Reader) takes() {
	k.watch(readable)
	if f := k.awaits.Swap(nil); f != nil {
		(*f)()
	}
}

// newPoll is nil if the system allows none: then goroutines read.
func newPoll(owner *Readers) *poll {
	set, err := epoll.New()
	if err != nil {
		return nil
	}
	p := &poll{owner: owner, set: set}
	owner.running.Go(p.run)
	return p
}

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
		p.free = append(p.free, len(p.readers))
		p.readers = append(p.readers, nil)
	}
	slot := p.free[len(p.free)-1]
	failed := raw.Control(func(fd uintptr) {
		err = p.set.Add(int(fd), slot, readable)
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
		p.ended.Store(true)
		p.set.Wake()
	}
}

// forget takes the reader out of its poll. It is called once.
func (k *polled) forget() {
	p := k.in
	if p == nil {
		return
	}
	k.raw.Control(func(fd uintptr) { p.set.Remove(int(fd)) }) // else it is closed
	p.owner.mu.Lock()
	defer p.owner.mu.Unlock()
	p.readers[k.slot] = nil
	p.free = append(p.free, k.slot)
	p.endLocked()
}

// run reads until there is no connection left.
func (p *poll) run() {
	defer p.set.Close()
	var n int
	var errno error
	attempt := func(fd uintptr) bool {
		n, errno = unix.Read(int(fd), p.buffer[:])
		return true // one attempt
	}
	read := func(slot int, events uint32) {
		p.owner.mu.Lock()
		k := p.readers[slot]
		p.owner.mu.Unlock()
		if k == nil {
			return // ended earlier in this round
		}
		if events&writable != 0 {
			k.takes()
		}
		if events&^writable == 0 {
			return
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
	for !p.ended.Load() {
		p.set.Wait(-1, read)
	}
}
