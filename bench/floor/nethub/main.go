// Command nethub is the rival that the dispatcher replaces, written anew:
// net/http, one mutex, one unbuffered channel per consumer. A POST is answered
// when every consumer's goroutine has taken the event, so one consumer that
// stops reading stops them all.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
)

type hub struct {
	mu        sync.Mutex // guards consumers, and is held during a broadcast
	consumers map[chan []byte]struct{}
}

func main() {
	port := flag.String("port", "18003", "loopback port to listen on")
	flag.Parse()

	h := &hub{consumers: make(map[chan []byte]struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /metrics", h.publish)
	mux.HandleFunc("POST /api/events", h.publish)
	mux.HandleFunc("GET /event-dispatcher", h.stream)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+strings.TrimPrefix(*port, ":"), mux))
}

func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.consumers {
		c <- body
	}
}

func (h *hub) stream(w http.ResponseWriter, r *http.Request) {
	c := make(chan []byte)
	h.mu.Lock()
	h.consumers[c] = struct{}{}
	h.mu.Unlock()
	defer h.leave(c)

	w.Header().Set("Content-Type", "text/event-stream")
	// Without chunks every consumer receives the same bytes, which is what
	// the load generator counts; it also favours this rival a little.
	w.Header().Set("Transfer-Encoding", "identity")
	io.WriteString(w, ":\n\n")
	flusher := http.NewResponseController(w)
	if flusher.Flush() != nil {
		return
	}
	for {
		select {
		case body := <-c:
			io.WriteString(w, "data: ")
			w.Write(body)
			io.WriteString(w, "\n\n")
			if flusher.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// leave takes what a broadcast in progress still hands over: the mutex it
// needs is held until that broadcast is done.
func (h *hub) leave(c chan []byte) {
	left := make(chan struct{})
	go func() {
		for {
			select {
			case <-c:
			case <-left:
				return
			}
		}
	}()
	h.mu.Lock()
	delete(h.consumers, c)
	h.mu.Unlock()
	close(left)
}
