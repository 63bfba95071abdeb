package broker

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBroker(t testing.TB, o Options) *Broker {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatalf("New(%+v) = %v; want nil", o, err)
	}
	return b
}

// tiny makes brokers whose segments are recycled all the time.
func tiny(shards int, key string) Options {
	return Options{Shards: shards, Bytes: shards * 8 << 10, MaxEvent: 64, Readers: 6, ShardKey: key}
}

// drain reads one shard until there is nothing.
func drain(b *Broker, shard int, c *Cursor) (events []string, skipped uint64) {
	var batch Batch
	for b.Read(shard, c, &batch, 1<<20) {
		skipped += batch.Skipped
		for i := range batch.Events {
			events = append(events, string(batch.Event(i)))
		}
		batch.Release()
	}
	return events, skipped
}

// A run is events as they are.
type run []string

func (r run) Len() int            { return len(r) }
func (r run) Size(i int) int      { return len(r[i]) }
func (r run) Put(i int, b []byte) { copy(b, r[i]) }
