package broker_test

import (
	"fmt"
	"time"

	"event-dispatcher/broker"
)

// A consumer of all shards: it sleeps at the gate until there is news.
func Example() {
	b, err := broker.New(broker.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	sleeper, err := b.Gate().NewSleeper()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sleeper.Leave()
	cursor := b.HeadOf(0)

	go func() {
		event := []byte(`{"event_name":"play"}`)
		shard := b.Pick(event, 1) // the producer's connection, where no key decides
		if err := b.Publish(shard, b.Tick(time.Now()), event); err != nil {
			fmt.Println(err)
		}
	}()

	<-sleeper.News(func() bool { return b.Pending(0, cursor) })
	var batch broker.Batch
	if b.Read(0, &cursor, &batch, 64<<10) {
		fmt.Printf("%s\n", batch.Bytes)
		batch.Release()
	}
	// Output: {"event_name":"play"}
}

// A consumer that comes back says where it was: the broker's epoch, and the sequence
// that it wants next.
func ExampleBroker_Find() {
	b, err := broker.New(broker.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	epoch, wants := b.Epoch(), b.HeadOf(0).Sequence()
	for _, e := range []string{"1", "2"} {
		if err := b.Publish(0, b.Tick(time.Now()), []byte(e)); err != nil {
			fmt.Println(err)
		}
	}

	if epoch != b.Epoch() {
		fmt.Println("another life of the log: what was published in between is unknown")
	}
	cursor, known := b.Find(0, wants+1)
	var batch broker.Batch
	if known && b.Read(0, &cursor, &batch, 64<<10) {
		fmt.Printf("skipped %d, then %s\n", batch.Skipped, batch.Bytes)
		batch.Release()
	}
	// Output: skipped 0, then 2
}
