package relay

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"
)

// A diary is a sink that writes down what it was told. While busy, it takes nothing.
type diary struct {
	entries []string
	busy    bool
}

var errBusy = errors.New("busy")

func (d *diary) Deliver(shard int, event []byte) error {
	if d.busy {
		return errBusy
	}
	d.entries = append(d.entries, fmt.Sprintf("%d:%s", shard, event))
	return nil
}

func (d *diary) Skip(shard int, n uint64) error {
	if d.busy {
		return errBusy
	}
	d.entries = append(d.entries, fmt.Sprintf("%d:skip %d", shard, n))
	return nil
}

func newReceiver(sink Sink, shards int) *receiver {
	return &receiver{sink: sink, maxEvent: 1 << 20, owed: make([]uint64, shards), log: zap.NewNop()}
}

// envelopeOf is the text of an envelope.
func envelopeOf(from Origin, shard int, first uint64, events ...string) string {
	m := appendHeader(nil, from, shard, first, len(events))
	for _, e := range events {
		m = appendLength(m, len(e))
	}
	for _, e := range events {
		m = append(m, e...)
	}
	return string(m)
}

// A consumer reads of a gap where the events are missing: behind what was sent
// before them, before what was sent after them.
func TestGapsAreToldInTheirPlace(t *testing.T) {
	var d diary
	r := newReceiver(&d, 2)
	a, b := Origin{1}, Origin{2}
	for _, m := range []string{
		envelopeOf(a, 0, 0, "0", "1"),
		envelopeOf(a, 1, 0, "10"),
		envelopeOf(a, 0, 5, "5", "6"), // 2, 3, 4 are missing
		envelopeOf(b, 0, 7, "107"),
		envelopeOf(a, 0, 7, "7", "{", "9"), // 8 is not valid
		envelopeOf(a, 1, 3),                // 1 and 2 of shard 1 are missing
		envelopeOf(b, 0, 9, "109"),         // 108 is missing
		envelopeOf(a, 0, 10, "}"),
	} {
		r.receive(arrival{text: m})
	}
	want := []string{
		"0:0", "0:1", "1:10", "0:skip 3", "0:5", "0:6", "0:107", "0:7", "0:skip 1", "0:9",
		"1:skip 2", "0:skip 1", "0:109", "0:skip 1",
	}
	if !slices.Equal(d.entries, want) {
		t.Errorf("the sink was told\n%q; want\n%q", d.entries, want)
	}
}

// A sink that cannot be told of a gap gets nothing that would stand before it.
func TestNothingOvertakesAGapThatCouldNotBeTold(t *testing.T) {
	var d diary
	r := newReceiver(&d, 1)
	r.receive(arrival{text: envelopeOf(Origin{1}, 0, 0, "0")})
	d.busy = true
	r.receive(arrival{text: envelopeOf(Origin{1}, 0, 3, "3", "4")})
	d.busy = false
	r.receive(arrival{text: envelopeOf(Origin{1}, 0, 5, "5")})
	d.busy = true
	r.receive(arrival{text: envelopeOf(Origin{1}, 0, 7)})
	d.busy = false
	r.settle()
	if want := []string{"0:0", "0:skip 4", "0:5", "0:skip 1"}; !slices.Equal(d.entries, want) {
		t.Errorf("the sink was told %q; want %q", d.entries, want)
	}
	if lost, refused := r.gaps[gapLost].Load(), r.gaps[gapRefused].Load(); lost != 3 || refused != 2 {
		t.Errorf("%d lost, %d refused; want 3, 2", lost, refused)
	}
}
