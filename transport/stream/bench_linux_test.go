package stream

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkBroadcast sweeps events of half a kilobyte to consumers on loopback
// sockets. Its rival writes each event to each consumer.
func BenchmarkBroadcast(b *testing.B) {
	for _, consumers := range []int{1, 100, 1000} {
		for _, events := range []int{1, 16, 64} {
			for _, way := range []string{"sweep", "writes"} {
				b.Run(fmt.Sprintf("consumers=%d/events=%d/way=%s", consumers, events, way), func(b *testing.B) {
					r := newRig(b, roomy(1), Options{Loops: 1, KeepAlive: -1})
					r.sink(consumers)
					r.awaitHerd(consumers)
					frame := appendFrame(nil, event{size: 500})
					r.inLoop(func(l *loop) {
						round := l.benchSweep
						if way == "writes" {
							round = l.benchWrites
						}
						b.ReportAllocs()
						for b.Loop() {
							round(b, frame, events)
						}
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events*consumers), "ns/delivery")
					})
				})
			}
		}
	}
}

func (l *loop) benchSweep(b *testing.B, frame []byte, events int) {
	now := time.Now()
	at := l.broker.Tick(now)
	for range events {
		if err := l.broker.Publish(0, at, frame); err != nil {
			b.Fatal(err)
		}
	}
	for l.pending() {
		l.sweep(now)
	}
	l.settleHerd(b)
}

func (l *loop) benchWrites(b *testing.B, frame []byte, events int) {
	for range events {
		for _, c := range l.slots {
			for p := frame; len(p) > 0; {
				n, errno := send(int(c.fd), p)
				if p = p[n:]; errno == unix.EAGAIN {
					unix.Poll([]unix.PollFd{{Fd: c.fd, Events: unix.POLLOUT}}, 100)
				} else if errno != 0 {
					b.Fatal(errno)
				}
			}
		}
	}
}
