package stream

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"event-dispatcher/broker"
	"event-dispatcher/transport/epoll"
	"event-dispatcher/transport/view"
)

// sink joins so many consumers of all shards that throw away what they get, at as
// little cost as there is: one goroutine for all, and not even a copy out of the
// kernel.
func (r *rig) sink(consumers int) {
	r.t.Helper()
	r.sinkOf(slices.Repeat([]broker.ShardSet{r.broker.AllShards()}, consumers))()
}

// sinkOf is sink for a consumer per set of shards. None reads before start is called.
func (r *rig) sinkOf(sets []broker.ShardSet) (start func()) {
	r.t.Helper()
	p, err := epoll.New()
	if err != nil {
		r.t.Fatal(err)
	}
	var fds []int
	var conns []net.Conn
	for _, set := range sets {
		ticket, err := r.pool.Admit(view.View{Shards: set})
		if err != nil {
			r.t.Fatal(err)
		}
		near, far := r.connect(0)
		ticket.Serve(far, opening)
		raw, err := near.SyscallConn()
		if err != nil {
			r.t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			err = p.Add(int(fd), len(fds), unix.EPOLLIN)
			fds = append(fds, int(fd))
		})
		if err != nil {
			r.t.Fatal(err)
		}
		conns = append(conns, near)
	}
	stop := make(chan struct{})
	var reading sync.WaitGroup
	read := func() {
		buf := make([]byte, 1<<20)
		discard := func(slot int, _ uint32) {
			// Not unix.Recvfrom, which allocates.
			unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fds[slot]), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)),
				unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		}
		for {
			select {
			case <-stop:
				return
			default:
				p.Wait(100*time.Millisecond, discard)
			}
		}
	}
	r.t.Cleanup(func() {
		close(stop)
		p.Wake()
		reading.Wait()
		p.Close()
		for _, c := range conns {
			c.Close()
		}
	})
	return func() { reading.Go(read) }
}

// settleHerd lets laggards catch up. It runs on the loop's goroutine.
func (l *loop) settleHerd(tb testing.TB) {
	for start := time.Now(); l.stats.lagging.Load() > 0; {
		l.sockets.wait(time.Millisecond, l)
		l.serveReady(time.Now(), patience)
		if time.Since(start) > patience {
			tb.Fatal("laggards do not catch up")
		}
	}
}
