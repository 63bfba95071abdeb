package transport

import (
	"testing"

	"event-dispatcher/transport/ingest"
)

// A gap between instances is told to those who read its shard, once.
func TestGapIsToldToTheReadersOfItsShard(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.broker.Shards, o.broker.Bytes = 2, 64<<20 })
	first, second, all := s.listen("/events?shards=0"), s.listen("/events?shards=1"), s.listen("/events")
	r := ingest.Relayed{Broker: s.broker}
	if err := r.Skip(1, 5); err != nil {
		t.Fatalf("Skip(1, 5) = %v; want nil", err)
	}
	for shard, event := range []string{`"to 0"`, `"to 1"`} {
		if err := r.Deliver(shard, []byte(event)); err != nil {
			t.Fatalf("Deliver(%d) = %v; want nil", shard, err)
		}
	}
	if b := first.block(); b != "data: \"to 0\"\n\n" {
		t.Errorf("a reader of shard 0 got %q first; want its event", b)
	}
	if b := second.block(); b != ": skipped 5\n" {
		t.Errorf("a reader of shard 1 got %q first; want the notice", b)
	}
	if e := second.event(); e != `"to 1"` {
		t.Errorf("a reader of shard 1 got %q then; want its event", e)
	}
	seen := map[string]int{}
	for range 3 {
		seen[all.block()]++
	}
	if seen[": skipped 5\n"] != 1 || seen["data: \"to 0\"\n\n"] != 1 || seen["data: \"to 1\"\n\n"] != 1 {
		t.Errorf("a reader of both got %v; want each once", seen)
	}
}
