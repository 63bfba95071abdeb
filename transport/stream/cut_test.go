package stream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// readCut reads at most n bytes of a stream with ids, then cuts it off. It returns the
// events whose ids came, and the last id: an EventSource takes them so.
func (r *rig) readCut(v view.View, lastID string, n int64, until func(events []string) bool) (events []string, id string, err error) {
	ticket, ok, err := r.pool.Resume(v, lastID)
	if err != nil || !ok && lastID != "" {
		return nil, lastID, fmt.Errorf("Resume(%q) = %v, %v; want true", lastID, ok, err)
	}
	near, far := r.connect(0)
	defer near.Close()
	ticket.Serve(far, ticket.AppendOpening(nil, ""))
	id = lastID
	if v.Format.Kind == wire.WebSocket {
		events, id = readFrames(io.LimitReader(near, n), id, until)
		return events, id, nil
	}
	var block []byte
	body := httputil.NewChunkedReader(io.LimitReader(near, n))
	if v.Format.Encoding == wire.Gzip {
		if body, err = gzip.NewReader(body); err != nil {
			return nil, id, nil // cut in the head
		}
	}
	if v.Format.Kind == wire.NDJSON {
		events, id = readLines(body, id, until)
		return events, id, nil
	}
	for buf := make([]byte, 1); until == nil || !until(events); {
		if _, err := io.ReadFull(body, buf); err != nil {
			break
		}
		if block = append(block, buf[0]); !bytes.HasSuffix(block, []byte("\n\n")) {
			continue
		}
		for line := range strings.SplitSeq(string(block), "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				events = append(events, data)
			} else if place, ok := strings.CutPrefix(line, "id: "); ok {
				id = place
			} else if strings.Contains(line, "skipped") {
				return events, id, fmt.Errorf("told %q; want nothing skipped: all is retained", line)
			}
		}
		block = block[:0]
	}
	return events, id, nil
}

// readLines is readCut for NDJSON.
func readLines(body io.Reader, id string, until func(events []string) bool) ([]string, string) {
	var taken taken
	taken.id = id
	for in := bufio.NewReader(body); until == nil || !until(taken.events); {
		line, err := in.ReadString('\n')
		if err != nil {
			break
		}
		taken.text(strings.TrimSuffix(line, "\n"))
	}
	return taken.events, taken.id
}

// readFrames is readCut for WebSocket.
func readFrames(body io.Reader, id string, until func(events []string) bool) ([]string, string) {
	var taken taken
	taken.id = id
	for until == nil || !until(taken.events) {
		var head [4]byte
		if _, err := io.ReadFull(body, head[:2]); err != nil {
			break
		}
		size := int(head[1])
		if size == 126 {
			if _, err := io.ReadFull(body, head[2:]); err != nil {
				break
			}
			size = int(binary.BigEndian.Uint16(head[2:]))
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(body, text); err != nil {
			break
		}
		if head[0] == 0x81 {
			taken.text(string(text))
		}
	}
	return taken.events, taken.id
}

// A taken is what a consumer has of a stream on which ids follow their events.
type taken struct {
	events  []string
	waiting []string // for their id
	id      string
}

func (t *taken) text(line string) {
	id, ok := strings.CutPrefix(line, `{"$dispatcher":{"id":"`)
	switch {
	case ok:
		t.id = strings.TrimSuffix(id, `"}}`)
		t.events, t.waiting = append(t.events, t.waiting...), nil
	case line != "" && !strings.HasPrefix(line, `{"$dispatcher":`):
		t.waiting = append(t.waiting, line)
	}
}

// Consumers that are cut at random bytes and resume get each event once, in the order of
// its shard, whatever their view.
func TestResumeAfterACutAnywhereNeitherLosesNorDoubles(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		const perShard, consumers = 1500, 50
		r := newRig(t, roomy(3), o)
		views := newViews(t, r.broker)
		var all, some []string
		wants := func(number int) bool { return number%100 >= 70 }
		queries := []struct {
			query string
			some  bool
		}{
			{"ids=1", false}, {"ids=1&members=shard,number", false}, {"ids=1&where=size>=70", true}, {"ids=1&max_delay=5ms", false},
			{"ids=1&encoding=gzip", false}, {"ids=1&encoding=gzip&where=size>=70", true},
			{"ids=1&wire=ndjson", false}, {"ids=1&wire=ndjson&encoding=gzip&where=size>=70", true},
			{"ids=1&wire=ws", false}, {"ids=1&wire=ws&members=shard,number&where=size>=70", true},
		}
		for shard := range 3 {
			for n := range perShard {
				all = append(all, fmt.Sprintf("%d:%d", shard, n))
				if wants(n) {
					some = append(some, fmt.Sprintf("%d:%d", shard, n))
				}
			}
		}
		// All register before the first event.
		first := make([]string, consumers)
		asked := make([]view.View, consumers)
		for k := range consumers {
			asked[k] = views.of(queries[k%len(queries)].query)
			first[k] = string(appendPlace(nil, r.broker, r.broker.Head(asked[k].Shards)))
		}
		var running sync.WaitGroup
		for shard := range 3 {
			running.Go(func() {
				for n := range perShard {
					r.publish(shard, n%100)
				}
			})
		}
		for k := range consumers {
			running.Go(func() {
				random := rand.New(rand.NewPCG(11, uint64(k)))
				q := queries[k%len(queries)]
				want := all
				if q.some {
					want = some
				}
				var got []string
				id := first[k]
				for cuts := 0; len(got) < len(want); cuts++ {
					n := int64(1 + random.IntN(20_000))
					left := len(want) - len(got)
					events, last, err := r.readCut(asked[k], id, n, func(events []string) bool { return len(events) >= left })
					if err != nil {
						t.Errorf("%s: %v", q.query, err)
						return
					}
					got, id = append(got, events...), last
				}
				next := map[int]int{}
				for _, text := range got {
					var e struct{ Shard, Number int }
					if err := json.Unmarshal([]byte(text), &e); err != nil {
						t.Errorf("%s: event %q: %v", q.query, text, err)
						return
					}
					if q.some {
						for !wants(next[e.Shard]) {
							next[e.Shard]++
						}
					}
					if e.Number != next[e.Shard] {
						t.Errorf("%s: event %d of shard %d; want %d: %d were lost or doubled", q.query, e.Number, e.Shard, next[e.Shard], e.Number-next[e.Shard])
						return
					}
					next[e.Shard]++
				}
			})
		}
		running.Wait()
	})
}

// The id of a consumer that gets no event moves on with its keep-alives.
func TestResumePlaceMovesWithoutEvents(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		o.KeepAlive = 20 * time.Millisecond
		r := newRig(t, roomy(2), o)
		views := newViews(t, r.broker)
		var clients []*client
		for _, query := range []string{"ids=1&where=size>=1000", "ids=1&where=size>=1000&encoding=gzip", "ids=1&where=size>=1000&every=10ms&latest=shard",
			"ids=1&where=size>=1000&wire=ndjson", "ids=1&where=size>=1000&wire=ws"} {
			clients = append(clients, r.join(joinOptions{view: views.of(query)}))
		}
		for range 5 {
			r.publish(0, 10)
		}
		want := string(appendPlace(nil, r.broker, r.broker.Head(r.broker.AllShards())))
		for i, c := range clients {
			eventually(t, func() string {
				got := c.books()
				if got.wrong != "" {
					t.Fatalf("client %d: %s", i, got.wrong)
				}
				if n := len(got.ids); n == 0 || got.ids[n-1] != want {
					return fmt.Sprintf("client %d: ids %v; want the last one %s", i, got.ids, want)
				}
				return ""
			})
		}
	})
}

// Of a conflated view each event has the place behind it, too.
func TestResumeOfAConflatedViewNeitherLosesNorDoubles(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		r := newRig(t, roomy(2), o)
		for _, wire := range []string{"sse", "ndjson", "ws"} {
			r.resumesConflated(t, newViews(t, r.broker).of("ids=1&every=10ms&latest=pad&wire="+wire))
		}
	})
}

// resumesConflated publishes events that each have a value of their own, and has a
// consumer be cut until it has them.
func (r *rig) resumesConflated(t *testing.T, v view.View) {
	id := string(appendPlace(nil, r.broker, r.broker.Head(v.Shards)))
	for i := range 20 {
		r.publish(0, 1+i)
		r.publish(1, 101+i)
	}
	random, got := rand.New(rand.NewPCG(3, 3)), map[string]int{}
	for len(got) < 40 {
		left := 40 - len(got)
		events, last, err := r.readCut(v, id, int64(1+random.IntN(1500)), func(events []string) bool { return len(events) >= left })
		if err != nil {
			t.Fatal(err)
		}
		id = last
		for _, e := range events {
			if got[e]++; got[e] > 1 {
				t.Fatalf("event %s came twice", e)
			}
		}
	}
}
