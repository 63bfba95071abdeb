// Command chanhub is the rival that most services are: a goroutine and a
// buffered channel per consumer, here on fasthttp's SetBodyStreamWriter. A
// consumer whose channel is full misses the event and is told so later.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

type consumer struct {
	frames  chan []byte
	skipped atomic.Uint64 // since the last notice
}

type hub struct {
	buffer int

	mu        sync.RWMutex // guards consumers
	consumers map[*consumer]struct{}
}

func main() {
	port := flag.String("port", "18004", "loopback port to listen on")
	buffer := flag.Int("buffer", 1024, "events each consumer's channel holds")
	flag.Parse()

	h := &hub{buffer: *buffer, consumers: make(map[*consumer]struct{})}
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
	switch {
	case ctx.IsPost():
		h.publish(ctx.PostBody())
	case string(ctx.Path()) == "/event-dispatcher":
		h.stream(ctx)
	}
}

func (h *hub) publish(body []byte) {
	frame := make([]byte, 0, len(body)+8)
	frame = append(frame, "data: "...)
	frame = append(frame, body...)
	frame = append(frame, "\n\n"...)

	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range h.consumers {
		select {
		case c.frames <- frame:
		default:
			c.skipped.Add(1)
		}
	}
}

func (h *hub) stream(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/event-stream")
	ctx.SetConnectionClose()
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		c := &consumer{frames: make(chan []byte, h.buffer)}
		h.mu.Lock()
		h.consumers[c] = struct{}{}
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			delete(h.consumers, c)
			h.mu.Unlock()
		}()
		fmt.Fprint(w, ":\n\n")
		for w.Flush() == nil {
			c.write(w)
		}
	})
	// Without chunks every consumer receives the same bytes, which is what
	// the load generator counts; it also favours this rival a little. It must
	// follow SetBodyStreamWriter, which asks for chunks.
	ctx.Response.Header.SetContentLength(-2)
	ctx.Response.ImmediateHeaderFlush = true
}

// write takes the next frame and all that wait behind it.
func (c *consumer) write(w *bufio.Writer) {
	frame := <-c.frames
	for {
		w.Write(frame)
		select {
		case frame = <-c.frames:
			continue
		default:
		}
		if n := c.skipped.Swap(0); n > 0 {
			fmt.Fprintf(w, ": skipped %d\n\n", n)
		}
		return
	}
}
