// Command writeloop is the fan-out floor: the least a program can do that
// still hands every body it accepts to every consumer with write(2).
//
// Handlers append the framed body to one shared buffer under a mutex. One
// locked thread swaps that buffer for an empty one and writes it to each
// consumer in turn, on blocking sockets, so nothing is lost and the slowest
// consumer sets the pace. There is no window, no skipping, no keep-alive: what
// a dispatcher costs above this is the price of those.
//
// With -per-event the thread makes one write(2) per event and consumer, which
// is what a program without batching pays. With -gap it rests between sweeps.
package main

import (
	"flag"
	"log"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
	"Cache-Control: no-cache, no-store, no-transform\r\nConnection: close\r\n" +
	"Access-Control-Allow-Origin: *\r\n\r\n:\n\n"

// hub is the shared buffer and who it is written to.
type hub struct {
	perEvent bool
	gap      time.Duration

	mu        sync.Mutex // guards all below
	news      *sync.Cond // signalled when filling stops being empty
	filling   []byte     // framed events, back to back
	ends      []int      // end of each event in filling, for perEvent
	consumers []int      // blocking descriptors
}

func main() {
	port := flag.String("port", "18002", "loopback port to listen on")
	perEvent := flag.Bool("per-event", false, "one write(2) per event and consumer")
	gap := flag.Duration("gap", 0, "rest this long between sweeps")
	flag.Parse()

	h := &hub{perEvent: *perEvent, gap: *gap}
	h.news = sync.NewCond(&h.mu)
	go h.sweep()

	srv := &fasthttp.Server{
		Handler:                      h.serve,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		ReadBufferSize:               16 << 10,
	}
	log.Fatal(srv.ListenAndServe("127.0.0.1:" + strings.TrimPrefix(*port, ":")))
}

func (h *hub) serve(ctx *fasthttp.RequestCtx) {
	if ctx.IsPost() {
		h.publish(ctx.PostBody())
		return
	}
	if string(ctx.Path()) != "/event-dispatcher" {
		return
	}
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) { h.join(ctx.Conn()) })
}

func (h *hub) publish(body []byte) {
	h.mu.Lock()
	if len(h.filling) == 0 {
		h.news.Signal()
	}
	h.filling = append(h.filling, "data: "...)
	h.filling = append(h.filling, body...)
	h.filling = append(h.filling, "\n\n"...)
	if h.perEvent {
		h.ends = append(h.ends, len(h.filling))
	}
	h.mu.Unlock()
}

// join keeps a blocking duplicate of the socket; fasthttp closes the original
// when join returns.
func (h *hub) join(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	fd := -1
	if err := raw.Control(func(p uintptr) { fd, _ = unix.Dup(int(p)) }); err != nil || fd < 0 {
		return
	}
	if unix.SetNonblock(fd, false) != nil || !writeAll(fd, []byte(streamHead)) {
		unix.Close(fd)
		return
	}
	h.mu.Lock()
	h.consumers = append(h.consumers, fd)
	h.mu.Unlock()
}

// sweep owns every write: it never returns.
func (h *hub) sweep() {
	runtime.LockOSThread()
	var (
		full      []byte
		ends      []int
		consumers []int
	)
	for {
		h.mu.Lock()
		for len(h.filling) == 0 {
			h.news.Wait()
		}
		full, h.filling = h.filling, full[:0]
		ends, h.ends = h.ends, ends[:0]
		consumers = append(consumers[:0], h.consumers...)
		h.mu.Unlock()

		var gone []int
		for _, fd := range consumers {
			if !h.write(fd, full, ends) {
				gone = append(gone, fd)
			}
		}
		h.leave(gone)
		if h.gap > 0 {
			time.Sleep(h.gap)
		}
	}
}

func (h *hub) write(fd int, full []byte, ends []int) bool {
	if !h.perEvent {
		return writeAll(fd, full)
	}
	start := 0
	for _, end := range ends {
		if !writeAll(fd, full[start:end]) {
			return false
		}
		start = end
	}
	return true
}

func (h *hub) leave(gone []int) {
	if len(gone) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fd := range gone {
		for i, have := range h.consumers {
			if have == fd {
				h.consumers = append(h.consumers[:i], h.consumers[i+1:]...)
				break
			}
		}
		unix.Close(fd)
	}
}

// writeAll reports whether all of b went out on a blocking socket.
func writeAll(fd int, b []byte) bool {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}
