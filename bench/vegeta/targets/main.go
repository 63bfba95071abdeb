// Command targets writes targets for vegeta, one JSON object a line: POSTs of
// viewers' session life cycles in the production mix, with the headers that
// web, Apple and Android players send.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"event-dispatcher/bench/load/event"
)

// target is vegeta's JSON format; encoding/json writes Body in base64, as the
// format wants it.
type target struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

func main() {
	n := flag.Int("n", 10_000, "targets to write; vegeta begins anew when they are used up")
	url := flag.String("url", "http://127.0.0.1:3569/metrics", "where to POST to")
	viewers := flag.Int("viewers", 1000, "viewers who take turns")
	seed := flag.Uint64("seed", 1, "the same seed writes the same events")
	flag.Parse()
	if err := write(os.Stdout, *url, *n, *viewers, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "targets:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, url string, n, viewers int, seed uint64) error {
	if n < 1 || viewers < 1 || viewers > 1_000_000 {
		return errors.New("want at least one target and 1 to 1,000,000 viewers")
	}
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	source := event.NewSessions(viewers, seed)
	for i := range n {
		body, flavour, sum := source.Append(nil)
		event.Tag{Sequence: uint64(i + 1), Length: len(body), Sum: sum}.Put(body)
		if err := enc.Encode(target{http.MethodPost, url, headers(flavour), body}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// headers takes apart what the load generator sends as one string.
func headers(f event.Flavour) http.Header {
	h := make(http.Header)
	for line := range strings.SplitSeq(f.Headers(), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			h.Add(name, value)
		}
	}
	return h
}
