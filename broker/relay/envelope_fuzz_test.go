package relay

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	json "encoding/json"

	"go.uber.org/zap"
)

// fuzzMaxEvent is the largest event of a receiver under test.
const fuzzMaxEvent = 100

// fuzzSink fails the test when it gets what no door would have let in.
type fuzzSink struct {
	t                *testing.T
	delivered, skips uint64
}

func (s *fuzzSink) Deliver(_ int, event []byte) error {
	if !json.Valid(event) || !utf8.Valid(event) || bytes.ContainsAny(event, "\r\n") || len(event) > fuzzMaxEvent {
		s.t.Errorf("delivered %q", event)
	}
	s.delivered++
	return nil
}

func (s *fuzzSink) Skip(_ int, n uint64) error {
	s.skips += n
	return nil
}

// FuzzReceive feeds any bytes to a receiver that knows one origin and shard.
func FuzzReceive(f *testing.F) {
	const shard = 7
	known := Origin{1}
	seed := func(first uint64, events ...string) []byte {
		m := appendHeader(nil, known, shard, first, len(events))
		for _, e := range events {
			m = appendLength(m, len(e))
		}
		for _, e := range events {
			m = append(m, e...)
		}
		return m
	}
	f.Add([]byte(nil))
	f.Add(seed(0))
	f.Add(seed(10, `{"a":1}`, "[\n]", `""`))
	f.Add(seed(9, `{"a":1}`, `x`))
	f.Add(seed(10, `1`, `"`+strings.Repeat("x", fuzzMaxEvent)+`"`))
	f.Add(seed(1<<63, `1`))
	f.Add(seed(^uint64(0), `1`, `2`))
	f.Add(seed(5, `1`)[:35])
	f.Fuzz(func(t *testing.T, m []byte) {
		sink := &fuzzSink{t: t}
		r := receiver{sink: sink, maxEvent: fuzzMaxEvent, log: zap.NewNop(), self: Origin{2}, owed: make([]uint64, 4),
			origins: origins[Origin]{known: map[Origin]*origin{known: {places: map[int]place{shard: {next: 10}}}}}}
		before := bytes.Clone(m)
		r.receive(arrival{text: string(m)})
		r.settle()
		if !bytes.Equal(before, m) {
			t.Error("the message was changed")
		}
		e, err := decode(m)
		if err != nil {
			if sink.delivered != 0 {
				t.Errorf("%v, but %d events delivered", err, sink.delivered)
			}
			return
		}
		if e.origin != known || e.shard != shard {
			return
		}
		if e.first > 10+maxGap {
			if sink.delivered+sink.skips != 0 {
				t.Errorf("first %d: %d delivered + %d skipped; want none of it", e.first, sink.delivered, sink.skips)
			}
			return
		}
		want := uint64(0) // events and lost ones from 10 on
		if e.next() > 10 {
			want = e.next() - 10
		}
		if got := sink.delivered + sink.skips; got != want {
			t.Errorf("first %d, count %d: %d delivered + %d skipped; want %d", e.first, e.count, sink.delivered, sink.skips, want)
		}
		if r.origins.known[known].places[shard].next < 10 {
			t.Error("the sequence went back")
		}
	})
}
