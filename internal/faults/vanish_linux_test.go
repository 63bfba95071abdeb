package faults

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// Half of the peers get events until their host is gone, so that bytes are under way;
// the others get nothing but keep-alives.
func TestFault3PeersVanish(t *testing.T) {
	limit := testkit.Sized(30*time.Second, 3*time.Second)
	far := newNetwork(t)
	p := program.Start(t, "-port", far.here+":0", "-stall-timeout", limit.String(), "-keep-alive", "1s")
	n := testkit.Sized(500, 20)
	busy := crowd(t, p.Addrs[0], n, "", newPace(0), far.dial)
	crowd(t, p.Addrs[0], n, "?where=player=0", newPace(0), far.dial)
	control := crowd(t, p.Addrs[0], 3, "", newPace(0), direct)
	l := play(t, p.Addrs[0], 2, 200, 2000)
	testkit.Eventually(t, "events flow", func() bool { return busy[n-1].received.Load() > 20 })
	far.vanish()
	began := time.Now()
	left := func() float64 { return p.Sum("dispatcher_consumers", "wire=") - float64(len(control)) }
	testkit.Eventually(t, "the first is closed", func() bool { return left() < float64(2*n) })
	first := time.Since(began)
	testkit.Eventually(t, "all are closed", func() bool { return left() == 0 })
	last := time.Since(began)
	l.stop()
	wantBooks(t, control, l.accepted.Load())
	vanished := p.Metric(`dispatcher_consumers_closed_total{reason="vanished"}`)
	if vanished != float64(2*n) || l.refused.Load() != 0 {
		t.Errorf("%v counted as vanished, %v as stalled, %d events refused; want %d, 0, 0",
			vanished, p.Metric(`dispatcher_consumers_closed_total{reason="stalled"}`), l.refused.Load(), 2*n)
	}
	testkit.Measured(t, "%d busy and %d idle peers closed after %.1f to %.1f s (TCP_USER_TIMEOUT %v), all as `vanished`; 0 POSTs refused, others skipped 0",
		n, n, first.Seconds(), last.Seconds(), limit+time.Second)
}

// A network is a network namespace of its own behind a cable, that is, a pair of
// virtual interfaces.
type network struct {
	t    *testing.T
	name string
	end  string // the interface at the other end
	here string // our address
	far  string // the other one
	fd   int    // of the namespace
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	testkit.Need(t, "ip")
	if os.Geteuid() != 0 {
		testkit.NotRun(t, "makes a network namespace, as root")
	}
	id := os.Getpid() % 60_000
	address := func(n int) string { return fmt.Sprintf("10.250.%d.%d", id>>6&0xff, id<<2&0xff|n) }
	n := &network{t: t, name: fmt.Sprintf("fault%d", id), end: fmt.Sprintf("ff%d", id), here: address(1), far: address(2)}
	near := fmt.Sprintf("fn%d", id)
	const station = "02:00:00:00:00:02"
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) })
	n.ip("link", "add", near, "type", "veth", "peer", "name", n.end, "address", station, "netns", n.name)
	t.Cleanup(func() { n.ip("link", "del", near) }) // connections keep a namespace
	n.ip("addr", "add", n.here+"/30", "dev", near)
	n.ip("link", "set", near, "up")
	n.ip("-n", n.name, "addr", "add", n.far+"/30", "dev", n.end)
	n.ip("-n", n.name, "link", "set", n.end, "up")
	// As behind a router, nobody notices that the peer does not answer for its address.
	n.ip("neigh", "replace", n.far, "lladdr", station, "dev", near, "nud", "permanent")
	fd, err := unix.Open("/run/netns/"+n.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	n.fd = fd
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %q: %v\n%s", args, err, out)
	}
}

// vanish has what arrives there meet nobody, and nothing come back.
func (n *network) vanish() { n.ip("-n", n.name, "addr", "del", n.far+"/30", "dev", n.end) }

// dial connects from the other end. A socket stays in the namespace of the thread that
// made it; a thread that cannot come back is given up.
func (n *network) dial(addr string) (net.Conn, error) {
	type result struct {
		net.Conn
		error
	}
	dialed := make(chan result)
	go func() {
		runtime.LockOSThread()
		own, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			dialed <- result{nil, err}
			return
		}
		defer unix.Close(own)
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			dialed <- result{nil, err}
			return
		}
		conn, err := net.Dial("tcp", addr)
		if unix.Setns(own, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		dialed <- result{conn, err}
	}()
	r := <-dialed
	return r.Conn, r.error
}
