package broker

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestNewSaysWhichOptionCannotBeMet(t *testing.T) {
	const maxInt = int(^uint(0) >> 1)
	for _, tt := range []struct {
		o    Options
		want string // start of the error, or "" for none
	}{
		{Options{}, ""},
		{Options{Shards: MaxShards, MaxEvent: 1 << 10}, ""},
		{Options{Shards: -1}, "shards: "},
		{Options{Shards: MaxShards + 1}, "shards: "},
		{Options{Bytes: 1 << 20}, "ring bytes: "},
		{Options{Bytes: -1}, "ring bytes: "},
		{Options{Shards: 64}, "ring bytes: "},
		{Options{Bytes: maxInt}, "ring bytes: "},
		{Options{Readers: MaxReaders}, ""},
		{Options{Readers: MaxReaders + 1}, "readers: "},
		{Options{Readers: -2}, "readers: "},
		{Options{Readers: maxInt}, "readers: "},
		{Options{MaxEvent: -1}, "max event: "},
		{Options{MaxEvent: MaxEventBytes + 1, Bytes: 1 << 30}, "max event: "},
		{Options{MaxEvent: maxInt}, "max event: "},
		{Options{MaxEvent: MaxEventBytes, Bytes: 1 << 30}, ""},
		{Options{MaxEvent: 1, Bytes: 1 << 12}, ""},
	} {
		b, err := New(tt.o)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v; want %q...", tt.o, err, tt.want)
		}
		if err == nil && tt.o.MaxEvent > 0 && b.MaxEvent() != tt.o.MaxEvent {
			t.Errorf("New(%+v).MaxEvent() = %d; want as asked", tt.o, b.MaxEvent())
		}
	}
}

// The error names a budget; with that budget it works.
func TestBudgetErrorNamesWhatIsNeeded(t *testing.T) {
	o := Options{Shards: 8, MaxEvent: 256 << 10, Bytes: 1 << 20}
	_, err := New(o)
	if err == nil {
		t.Fatalf("New(%+v) = nil; want an error", o)
	}
	fields := strings.Fields(err.Error())
	if _, scanErr := fmt.Sscan(fields[len(fields)-1], &o.Bytes); scanErr != nil {
		t.Fatalf("New() = %q; want it to end with a number", err)
	}
	newBroker(t, o)
}

// The program asks for a reader per writer loop, a loop for each core. Whatever the
// machine: it starts with the defaults, keeps most of the bytes for events, and has
// one shard, as every other instance.
func TestDefaultsFitEveryMachine(t *testing.T) {
	for _, cores := range []int{1, 2, 4, 32, 64, 96, 98, 256, 1024} {
		for _, bytes := range []int{64 << 20, 256 << 20, 1 << 30} {
			o := Options{Readers: cores + 2, Bytes: bytes}.withDefaults()
			size, err := ringSize(o)
			if err != nil || o.Shards != 1 {
				t.Errorf("%d cores, %d MiB: %d shards, %v; want 1, nil", cores, bytes>>20, o.Shards, err)
				continue
			}
			if kept := size.Window * size.SegmentBytes; kept < bytes*7/10 {
				t.Errorf("%d cores: %d of %d MiB retain events; want 70 %% at least", cores, kept>>20, bytes>>20)
			}
			if segments := size.Window + size.Spares; segments < o.Readers+4 && size.SegmentBytes > o.MaxEvent {
				t.Errorf("%d cores: %d segments of %d bytes; want more than readers, or as small as the largest event", cores, segments, size.SegmentBytes)
			}
		}
	}
}

// Each bound is tried together with the default of the others.
func TestBoundsFitTogether(t *testing.T) {
	for _, o := range []Options{
		{MaxEvent: 1},
		{MaxEvent: 4 << 20}, // what -max-body allows, and what is added to a body
		{MaxEvent: MaxEventBytes, Bytes: 128 << 20},
		{Readers: MaxReaders},
		{Readers: MaxReaders, MaxEvent: 4 << 20},
		{Bytes: 3 << 20},
		{Bytes: 1 << 30},
		{Bytes: 1 << 40},
		{Bytes: 1 << 40, MaxEvent: MaxEventBytes, Readers: MaxReaders, Shards: MaxShards},
		{Shards: MaxShards, Bytes: 256 << 20},
		{Shards: MaxShards, MaxEvent: 4 << 10},
	} {
		size, err := ringSize(o.withDefaults())
		if err != nil {
			t.Errorf("%+v: %v; want nil", o, err)
		} else if size.MaxEvent < o.MaxEvent || size.MaxEvent > size.SegmentBytes {
			t.Errorf("%+v: %+v; want the largest event to fit", o, size)
		}
	}
}

func TestStatsTellTheWindow(t *testing.T) {
	b := newBroker(t, Options{Shards: 2, Bytes: 1 << 20, MaxEvent: 1000})
	event := make([]byte, 500)
	for range 2 * (1 << 20) / len(event) {
		for shard := range b.Shards() {
			if err := b.Publish(shard, 0, event); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The active segments are not full, and each ends with less than an event.
	if got := b.Stats(); got.Bytes > got.Window || got.Bytes < got.Window*9/10 || got.Window < 1<<20*7/10 {
		t.Errorf("Stats() = %+v; want Bytes to be nearly Window, and that most of 1 MiB", got)
	}
}

func TestMemoryStaysWithinTheBudget(t *testing.T) {
	for _, o := range []Options{
		{Shards: 1, Bytes: 16 << 20},
		{Shards: 3, Bytes: 10_000_000, MaxEvent: 50_000, Readers: 2},
		{Shards: 2, Bytes: 1 << 20, MaxEvent: 1000},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			before := heap()
			b := newBroker(t, o)
			empty := b.Stats().Allocated
			event := make([]byte, b.MaxEvent())
			var held []Batch
			for shard := range b.Shards() { // readers hold on until nothing can be recycled
				for {
					c := b.HeadOf(shard)
					if err := b.Publish(shard, 0, event); err != nil {
						if !errors.Is(err, ErrExhausted) {
							t.Fatalf("Publish() = %v; want ErrExhausted", err)
						}
						break
					}
					var batch Batch
					b.Read(shard, &c, &batch, 1)
					held = append(held, batch)
				}
			}
			full := b.Stats().Allocated
			if full > int64(o.Bytes) || full < int64(o.Bytes)*3/4 {
				t.Errorf("Stats().Allocated = %d; want at most %d, and most of it", full, o.Bytes)
			}
			if empty != full {
				t.Errorf("Stats().Allocated when empty = %d; want all of it, %d: publishers would wait for the rest", empty, full)
			}
			// The segments' own headers, and what the test holds, come on top.
			const slack = 256 << 10
			if got := heap() - before; got > int64(o.Bytes)+slack {
				t.Errorf("the heap grew by %d; want at most %d", got, o.Bytes)
			}
			for i := range held {
				held[i].Release()
			}
			runtime.KeepAlive(b)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
