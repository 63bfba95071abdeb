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
		{Options{Readers: 1000}, "ring bytes: "},
		{Options{Readers: -2}, "readers: "},
		{Options{Readers: maxInt}, "readers: "},
		{Options{MaxEvent: -1}, "max event: "},
		{Options{MaxEvent: 4<<20 + 1, Bytes: 1 << 30}, "max event: "},
		{Options{MaxEvent: maxInt}, "max event: "},
		{Options{MaxEvent: 4 << 20, Bytes: 1 << 30}, ""},
		{Options{MaxEvent: 1, Bytes: 1 << 12}, ""},
	} {
		b, err := New(tt.o)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("New(%+v) = %v; want %q...", tt.o, err, tt.want)
		}
		if err == nil && b.MaxEvent() < tt.o.MaxEvent {
			t.Errorf("New(%+v).MaxEvent() = %d; want at least as asked", tt.o, b.MaxEvent())
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

func TestDefaultShards(t *testing.T) {
	for _, tt := range []struct{ cores, want int }{
		{1, 1}, {2, 1}, {8, 1}, {9, 1}, {15, 1}, {16, 2}, {31, 2}, {32, 4}, {64, 8}, {100, 8}, {128, 16}, {512, 64}, {4096, 64},
	} {
		if got := defaultShards(tt.cores); got != tt.want {
			t.Errorf("defaultShards(%d) = %d; want %d", tt.cores, got, tt.want)
		}
	}
}

func TestDefaultsFitEveryMachine(t *testing.T) {
	for _, tt := range []struct {
		cores, readers, bytes, want int
	}{
		{2, 1, 0, 1},
		{32, 0, 0, 4},
		{64, 0, 0, 4}, // 8 shards need more than 64 MiB
		{64, 32, 0, 1},
		{64, 32, 1 << 30, 8},
		{96, 48, 0, 1},
	} {
		o := Options{Readers: tt.readers, Bytes: tt.bytes}.withDefaults(tt.cores)
		if _, err := ringSize(o); err != nil || o.Shards != tt.want {
			t.Errorf("%d cores, %d readers, %d bytes: %d shards, %v; want %d, nil", tt.cores, tt.readers, tt.bytes, o.Shards, err, tt.want)
		}
	}
}

func TestMemoryStaysWithinTheBudget(t *testing.T) {
	for _, o := range []Options{
		{Shards: 1, Bytes: 16 << 20},
		{Shards: 1, Bytes: 16 << 20, Lazy: true},
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
			switch {
			case o.Lazy && empty > full/4:
				t.Errorf("Stats().Allocated when empty = %d; want a segment per shard", empty)
			case !o.Lazy && empty != full:
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
