package relay_test

import (
	"fmt"
	"time"

	"event-dispatcher/broker"
	"event-dispatcher/broker/relay"
)

// A printer writes what other instances took, and what of it was lost.
type printer struct{}

func (printer) Deliver(shard int, event []byte) error {
	fmt.Printf("%d: %s\n", shard, event)
	return nil
}

func (printer) Skip(shard int, n uint64) error {
	fmt.Printf("%d: %d events were lost here\n", shard, n)
	return nil
}

// Two instances would each run this: what one offers the other prints.
func ExampleSink() {
	server, err := relay.ParseNATS("nats://127.0.0.1:4222")
	if err != nil {
		panic(err)
	}
	b, err := broker.New(broker.Options{Bytes: 8 << 20, MaxEvent: 16 << 10})
	if err != nil {
		panic(err)
	}
	r := relay.New(relay.Options{Carrier: relay.OverNATS(server), Sink: printer{}, Tick: b.Tick})
	defer r.Close()
	r.Offer(0, b.Tick(time.Now()), []byte(`{"event_name":"START"}`)) // does not wait for the server
}
