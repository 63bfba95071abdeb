package broker

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestPick(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shards int
		key    string
		event  string
		byKey  bool // otherwise by connection
	}{
		{"no key is configured", 4, "", `{"session_id":"a"}`, false},
		{"the event has the key", 4, "session_id", `{"session_id":"a"}`, true},
		{"the event has no key", 4, "session_id", `{"other":"a"}`, false},
		{"the event is no object", 4, "session_id", `["session_id"]`, false},
		{"a nested look-alike", 4, "session_id", `{"data":{"session_id":"a"}}`, false},
		{"a number of shards that is no power of two", 3, "session_id", `{"n":1,"session_id":7}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, tiny(tt.shards, tt.key))
			first := b.Pick([]byte(tt.event), 0)
			for conn := range uint64(20) {
				want := int(conn) % tt.shards
				if tt.byKey {
					want = first
				}
				if got := b.Pick([]byte(tt.event), conn); got != want {
					t.Errorf("Pick(%s, conn %d) = %d; want %d", tt.event, conn, got, want)
				}
			}
		})
	}
}

func TestPickWithOneShardIsThatShard(t *testing.T) {
	b := newBroker(t, tiny(1, "session_id"))
	if got := b.Pick([]byte(`{"session_id":"a"}`), 7); got != 0 {
		t.Errorf("Pick() = %d; want 0", got)
	}
}

func TestKeysSpreadOverAllShards(t *testing.T) {
	const shards, keys = 8, 8000
	b := newBroker(t, tiny(shards, "k"))
	var count [shards]int
	for i := range keys {
		shard := b.Pick(fmt.Appendf(nil, `{"k":"session-%d"}`, i), 0)
		if again := b.Pick(fmt.Appendf(nil, `{"x":{"k":0}, "k" : "session-%d"}`, i), 5); again != shard {
			t.Fatalf("key %d in shard %d, then in shard %d", i, shard, again)
		}
		count[shard]++
	}
	for shard, n := range count {
		if n < keys/shards/2 || n > keys/shards*2 {
			t.Errorf("shard %d has %d of %d keys; want about %d", shard, n, keys, keys/shards)
		}
	}
}

func TestParseShards(t *testing.T) {
	for _, tt := range []struct {
		shards int
		list   string
		want   []int // nil: an error
	}{
		{4, "", []int{0, 1, 2, 3}},
		{4, "0", []int{0}},
		{4, "0,2", []int{0, 2}},
		{4, "3,1", []int{1, 3}},
		{4, "2,2", []int{2}},
		{4, "4", nil},
		{4, "0,4", nil},
		{4, "-1", nil},
		{4, "+1", nil},
		{4, " 1", nil},
		{4, "1,", nil},
		{4, ",", nil},
		{4, "a", nil},
		{4, "1;2", nil},
		{4, "256", nil},
		{4, "18446744073709551616", nil},
		{1, "", []int{0}},
		{1, "1", nil},
		{64, "63", []int{63}},
		{64, "64", nil},
	} {
		b := newBroker(t, tiny(tt.shards, ""))
		set, err := b.ParseShards(tt.list)
		if got := slices.Collect(set.All()); !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) || set.Len() != len(tt.want) {
			t.Errorf("ParseShards(%q) of %d = %v (%d), %v; want %v", tt.list, tt.shards, got, set.Len(), err, tt.want)
		}
	}
	if got := newBroker(t, tiny(64, "")).AllShards().Len(); got != 64 {
		t.Errorf("AllShards().Len() of 64 = %d; want 64", got)
	}
}

func TestShardSetStopsWhenAskedTo(t *testing.T) {
	for shard := range ShardSet(0b1010).All() {
		if shard != 1 {
			t.Errorf("first shard = %d; want 1", shard)
		}
		break
	}
}

func TestHeadHasACursorPerShardOfTheSet(t *testing.T) {
	b := newBroker(t, tiny(4, ""))
	set, err := b.ParseShards("1,3")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(1, 0, []byte("before")); err != nil {
		t.Fatal(err)
	}
	cursors := b.Head(set)
	for shard := range 4 {
		if err := b.Publish(shard, 0, fmt.Appendf(nil, "e%d", shard)); err != nil {
			t.Fatal(err)
		}
	}
	if len(cursors) != 2 {
		t.Fatalf("Head(%b) = %d cursors; want 2", set, len(cursors))
	}
	i := 0
	for shard := range set.All() {
		if got, _ := drain(b, shard, &cursors[i]); !slices.Equal(got, []string{fmt.Sprintf("e%d", shard)}) {
			t.Errorf("shard %d: read %q; want [e%d]", shard, got, shard)
		}
		i++
	}
}

func TestPublishAndSkipWake(t *testing.T) {
	b := newBroker(t, tiny(2, ""))
	s, err := b.Gate().NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Leave()
	c := b.HeadOf(1)
	for _, tt := range []struct {
		name string
		do   func() error
		wake bool
	}{
		{"Publish", func() error { return b.Publish(1, 0, []byte("event")) }, true},
		{"Skip", func() error { return b.Skip(1, 3) }, true},
		{"PublishRun", func() error { _, err := b.PublishRun(1, 0, run{"a", "b"}); return err }, true},
		{"refused Publish", func() error { return b.Publish(1, 0) }, false},
		{"refused PublishRun", func() error { _, err := b.PublishRun(1, 0, run{"", "b"}); return err }, false},
	} {
		news := s.News(func() bool { return b.Pending(1, c) })
		if err := tt.do(); (err == nil) != tt.wake {
			t.Errorf("%s = %v", tt.name, err)
		}
		select {
		case <-news:
			if !tt.wake {
				t.Errorf("%s woke a sleeper; want it not to", tt.name)
			}
		default:
			if tt.wake {
				t.Errorf("%s did not wake a sleeper", tt.name)
			}
		}
		drain(b, 1, &c)
	}
}

// What came before a bad event of a run can be seen, so readers are woken.
func TestARunThatEndsEarlyWakes(t *testing.T) {
	b := newBroker(t, tiny(1, ""))
	s, err := b.Gate().NewSleeper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Leave()
	c := b.HeadOf(0)
	news := s.News(func() bool { return b.Pending(0, c) })
	if n, err := b.PublishRun(0, 0, run{"a", "", "b"}); n != 1 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("PublishRun() = %d, %v; want 1, ErrTooLarge", n, err)
	}
	select {
	case <-news:
	default:
		t.Error("PublishRun that ended early did not wake a sleeper")
	}
}

// Everything that a consumer needs who comes back: epoch, shard, sequence.
func TestAReaderGoesOnWhereItWas(t *testing.T) {
	b := newBroker(t, tiny(2, ""))
	if another := newBroker(t, tiny(2, "")); b.Epoch() == another.Epoch() {
		t.Errorf("two brokers have the epoch %x", b.Epoch())
	}
	c := b.HeadOf(1)
	for i := range 5 {
		if err := b.Publish(1, 0, fmt.Appendf(nil, "e%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	again, known := b.Find(1, c.Sequence()+3)
	if got, skipped := drain(b, 1, &again); !known || !slices.Equal(got, []string{"e3", "e4"}) || skipped != 0 {
		t.Errorf("Find(1, 3) = %v, then read %q, skipped %d; want [e3 e4], 0", known, got, skipped)
	}
	if _, known := b.Find(0, c.Sequence()+3); known {
		t.Error("Find(0, 3) knows an event of an empty shard")
	}
}

func TestPublishRefusesEventsOverTheLimit(t *testing.T) {
	b := newBroker(t, tiny(1, ""))
	if err := b.Publish(0, 0, make([]byte, b.MaxEvent()+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Publish(MaxEvent + 1) = %v; want ErrTooLarge", err)
	}
	if err := b.Publish(0, 0, make([]byte, b.MaxEvent())); err != nil {
		t.Errorf("Publish(MaxEvent) = %v; want nil", err)
	}
}

func TestStatsSumUpTheShards(t *testing.T) {
	b := newBroker(t, tiny(3, ""))
	if got := b.Stats(); got.OldestAge != 0 || got.Published != 0 || got.Allocated == 0 {
		t.Errorf("Stats() when empty = %+v; want zeros, and the memory of the shards", got)
	}
	long := b.Tick(b.start)
	b.start = b.start.Add(-time.Hour) // an hour passes
	now := b.Tick(time.Now())
	for shard, at := range []Tick{now, long, now} {
		if err := b.Publish(shard, at, []byte("four")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Skip(2, 10); err != nil {
		t.Fatal(err)
	}
	got := b.Stats()
	if got.Published != 13 || got.Retained != 13 || got.Bytes != 12 || got.Exhausted != 0 {
		t.Errorf("Stats() = %+v; want Published 13, Retained 13, Bytes 12, Exhausted 0", got)
	}
	if got.OldestAge < time.Hour-time.Second || got.OldestAge > 2*time.Hour {
		t.Errorf("Stats().OldestAge = %v; want that of the oldest shard, an hour", got.OldestAge)
	}
}

func TestAnEventFromAheadOfTheClockHasNoAge(t *testing.T) {
	b := newBroker(t, tiny(1, ""))
	if err := b.Publish(0, b.Tick(time.Now().Add(time.Minute)), []byte("event")); err != nil {
		t.Fatal(err)
	}
	if got := b.Stats().OldestAge; got != 0 {
		t.Errorf("Stats().OldestAge = %v; want 0", got)
	}
}

func TestTickCountsFromTheBrokersStart(t *testing.T) {
	b := newBroker(t, tiny(1, ""))
	if got := b.Tick(b.start.Add(-time.Second)); got != 0 {
		t.Errorf("Tick(before the start) = %d; want 0", got)
	}
	if got := b.Tick(b.start.Add(time.Second)).Duration(); got > time.Second || got < time.Second-20*time.Microsecond {
		t.Errorf("Tick(a second after the start) = %v; want a second, at most 20 µs less", got)
	}
}
