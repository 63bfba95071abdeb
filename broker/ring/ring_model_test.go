package ring_test

import (
	"bytes"
	"math"
	"testing"

	"event-dispatcher/broker/ring"

	"pgregory.net/rapid"
)

// A model of the ring: every event ever published in a slice, nil for one that
// was skipped. A reader must get exactly these, in order, where it does not skip.
type model struct {
	r         *ring.Ring
	first     uint64
	published [][]byte
	readers   []*modelReader
}

type modelReader struct {
	c    ring.Cursor
	next int // in published
}

func TestRingAgreesWithASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := ring.Options{
			SegmentBytes: rapid.SampledFrom([]int{16, 64, 100, 1000}).Draw(t, "segment"),
			Window:       rapid.IntRange(2, 5).Draw(t, "window"),
			Spares:       2,
			FirstSequence: rapid.SampledFrom([]uint64{
				0, 1000, math.MaxUint64, math.MaxUint64 - 10,
			}).Draw(t, "first sequence"),
			FirstOrdinal: rapid.SampledFrom([]uint64{
				0, ring.EpochPeriod - 1, ring.EpochPeriod - 3, ring.MaxOrdinal, ring.MaxOrdinal - 2,
			}).Draw(t, "first ordinal"),
		}
		m := &model{r: ring.New(o), first: o.FirstSequence}
		m.r.Poison()
		m.readers = append(m.readers, &modelReader{c: m.r.Head()})
		t.Repeat(map[string]func(*rapid.T){
			"publish": m.publish,
			"burst": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "events") {
					m.publish(t)
				}
			},
			"publish a run": m.publishRun,
			"find":          m.find,
			"skip": func(t *rapid.T) {
				n := rapid.IntRange(0, 5).Draw(t, "n")
				if err := m.r.Skip(uint64(n)); err != nil {
					t.Fatalf("Skip(%d) = %v; want nil", n, err)
				}
				m.published = append(m.published, make([][]byte, n)...)
			},
			"join": func(*rapid.T) {
				m.readers = append(m.readers, &modelReader{c: m.r.Head(), next: len(m.published)})
			},
			"read": m.read,
			"":     m.check,
		})
	})
}

func (m *model) publish(t *rapid.T) {
	e := rapid.SliceOfN(rapid.Byte(), 0, m.r.MaxEvent()+1).Draw(t, "event")
	err := m.r.Publish(0, e)
	if wantErr := len(e) == 0 || len(e) > m.r.MaxEvent(); (err != nil) != wantErr {
		t.Fatalf("Publish(%d bytes) = %v; want an error: %v", len(e), err, wantErr)
	}
	if err == nil {
		m.published = append(m.published, e)
	}
}

func (m *model) publishRun(t *rapid.T) {
	events := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, m.r.MaxEvent()+1), 0, 20).Draw(t, "events")
	want := 0
	for want < len(events) && len(events[want]) > 0 && len(events[want]) <= m.r.MaxEvent() {
		want++
	}
	got, err := m.r.PublishRun(0, run(events))
	if got != want || (err == nil) != (want == len(events)) {
		t.Fatalf("PublishRun(%d events, the first bad one is %d) = %d, %v", len(events), want, got, err)
	}
	m.published = append(m.published, events[:got]...)
}

// find asks for any sequence ever given out, and around.
func (m *model) find(t *rapid.T) {
	at := rapid.IntRange(-2, len(m.published)+2).Draw(t, "at")
	seq := m.first + uint64(at)
	c, ok := m.r.Find(seq)
	if known := at >= 0 && at <= len(m.published); ok != known {
		t.Fatalf("Find(%d) = %v; want %v: %d to %d were given out", seq, ok, known, m.first, m.first+uint64(len(m.published)))
	}
	if ok {
		if c.Sequence() != seq {
			t.Fatalf("Find(%d).Sequence() = %d", seq, c.Sequence())
		}
		m.readers = append(m.readers, &modelReader{c: c, next: at})
	}
}

func (m *model) read(t *rapid.T) {
	reader := rapid.SampledFrom(m.readers).Draw(t, "reader")
	maxBytes := rapid.SampledFrom([]int{0, 1, 10, 1 << 20, math.MaxInt}).Draw(t, "maxBytes")
	pending := m.r.Pending(reader.c)
	var b ring.Batch
	ok := m.r.Read(&reader.c, &b, maxBytes)
	defer b.Release()
	if ok != pending || ok != (reader.next < len(m.published)) {
		t.Fatalf("Pending() = %v, Read() = %v; want %v", pending, ok, reader.next < len(m.published))
	}
	keep := rapid.IntRange(0, b.Events).Draw(t, "keep")
	cut, partial := b.Cut(len(b.Bytes))
	if cut != b.Events || partial != 0 {
		t.Fatalf("Cut(all %d bytes) = %d, %d; want %d, 0", len(b.Bytes), cut, partial, b.Events)
	}
	if keep < b.Events {
		b.Truncate(keep)
		reader.c = b.Cursor(keep)
	}
	reader.next += int(b.Skipped)
	want := m.published[reader.next : reader.next+b.Events]
	for i, e := range want {
		if e == nil || !bytes.Equal(b.Event(i), e) {
			t.Fatalf("Event(%d) = %x; want %x", i, b.Event(i), e)
		}
	}
	if all := bytes.Join(want, nil); !bytes.Equal(b.Bytes, all) {
		t.Fatalf("Bytes = %x; want %x", b.Bytes, all)
	}
	reader.next += b.Events
}

// check runs after every step.
func (m *model) check(t *rapid.T) {
	st := m.r.Stats()
	if st.Published != uint64(len(m.published)) || st.Exhausted != 0 {
		t.Fatalf("Stats() = %+v; want Published %d, Exhausted 0", st, len(m.published))
	}
	// All that the statistics call retained can still be read.
	retained := int64(0)
	for _, e := range m.published[uint64(len(m.published))-st.Retained:] {
		retained += int64(len(e))
	}
	if st.Bytes != retained {
		t.Fatalf("Stats().Bytes = %d; want %d, those of the last %d events", st.Bytes, retained, st.Retained)
	}
	for i, reader := range m.readers {
		if got, want := reader.c.Sequence(), m.first+uint64(reader.next); got != want {
			t.Fatalf("reader %d stands at %d; want %d", i, got, want)
		}
	}
	if got := m.r.Pins(); got != 0 {
		t.Fatalf("pins = %d; want 0", got)
	}
}
