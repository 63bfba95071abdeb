// Command gosse is a rival: the server of github.com/tmaxmax/go-sse with its provider
// Joe.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/tmaxmax/go-sse"
)

func main() {
	port := flag.String("port", "18006", "loopback port to listen on")
	flag.Parse()

	hub := &sse.Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /metrics", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		m := &sse.Message{}
		m.AppendData(string(body))
		if err := hub.Publish(m); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /event-dispatcher", func(w http.ResponseWriter, r *http.Request) {
		// Without chunks every consumer receives the same bytes, which is what
		// the load generator counts.
		w.Header().Set("Transfer-Encoding", "identity")
		w.Header().Set("Content-Type", "text/event-stream")
		// It says nothing before the first event; the load waits for every stream to open.
		io.WriteString(w, ":\n\n")
		if http.NewResponseController(w).Flush() == nil {
			hub.ServeHTTP(w, r)
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+strings.TrimPrefix(*port, ":"), mux))
}
