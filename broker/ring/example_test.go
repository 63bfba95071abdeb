package ring_test

import (
	"fmt"

	"event-dispatcher/broker/ring"
)

// A reader takes a cursor, reads what is published from then on, and lets go of each
// batch.
func Example() {
	r := ring.New(ring.Options{SegmentBytes: 1 << 10, Window: 4})
	cursor := r.Head()

	for _, e := range []string{"play", "pause", "stop"} {
		if err := r.Publish(0, []byte("data: "), []byte(e), []byte("\n\n")); err != nil {
			fmt.Println(err)
		}
	}

	var batch ring.Batch
	for r.Read(&cursor, &batch, 64<<10) {
		fmt.Printf("%d events, %d skipped: %q\n", batch.Events, batch.Skipped, batch.Bytes)
		batch.Release() // Bytes must not be used any more
	}
	// Output:
	// 3 events, 0 skipped: "data: play\n\ndata: pause\n\ndata: stop\n\n"
}

// A reader that comes back knows only the sequence of the event that it wants next.
func ExampleRing_Find() {
	r := ring.New(ring.Options{SegmentBytes: 64, Window: 2, Spares: 2}) // four events to a segment
	wants := r.Head().Sequence()
	for i := range 10 {
		if err := r.Publish(0, fmt.Append(nil, i)); err != nil {
			fmt.Println(err)
		}
	}

	var batch ring.Batch
	for _, seq := range []uint64{wants + 7, wants, wants + 11} {
		cursor, known := r.Find(seq)
		if !known {
			fmt.Println("from", seq, "on: unknown")
			continue
		}
		if r.Read(&cursor, &batch, 1) {
			fmt.Printf("from %d on: skipped %d, then event %s\n", seq, batch.Skipped, batch.Event(0))
			batch.Release()
		}
	}
	// Output:
	// from 7 on: skipped 0, then event 7
	// from 0 on: skipped 4, then event 4
	// from 11 on: unknown
}

// lines are events that are framed as they are written into the ring.
type lines []string

func (l lines) Len() int            { return len(l) }
func (l lines) Size(i int) int      { return len(l[i]) + 1 }
func (l lines) Put(i int, b []byte) { b[copy(b, l[i])] = '\n' }

func ExampleRing_PublishRun() {
	r := ring.New(ring.Options{})
	cursor := r.Head()
	n, err := r.PublishRun(0, lines{"play", "pause", "stop"})
	fmt.Println(n, err)

	var batch ring.Batch
	r.Read(&cursor, &batch, 64<<10)
	fmt.Printf("%s", batch.Bytes)
	batch.Release()
	// Output:
	// 3 <nil>
	// play
	// pause
	// stop
}
