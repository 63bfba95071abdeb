// Command r3labs is a rival: the server of github.com/r3labs/sse, with one stream.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/r3labs/sse/v2"
)

func main() {
	port := flag.String("port", "18005", "loopback port to listen on")
	flag.Parse()

	const stream = "all"
	hub := sse.New()
	hub.AutoReplay = false
	hub.CreateStream(stream)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /metrics", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10))
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		hub.Publish(stream, &sse.Event{Data: body})
	})
	mux.HandleFunc("GET /event-dispatcher", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity") // which favours this rival a little
		r.URL.RawQuery = "stream=" + stream
		hub.ServeHTTP(w, r)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+strings.TrimPrefix(*port, ":"), mux))
}
