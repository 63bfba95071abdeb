package wake_test

import (
	"fmt"
	"sync/atomic"

	"event-dispatcher/broker/wake"
)

// A reader that has read everything sleeps. The publisher stores first and wakes
// then; the reader looks once more after it has said that it is about to sleep.
func Example() {
	var gate wake.Gate
	var log atomic.Int64 // the events so far

	sleeper, err := gate.NewSleeper()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sleeper.Leave()

	go func() {
		for range 3 {
			log.Add(1)
			gate.Wake() // after the event can be seen
		}
	}()
	for read := int64(0); read < 3; {
		<-sleeper.News(func() bool { return log.Load() > read })
		read = log.Load() // a wake-up may be spurious
	}
	fmt.Println(log.Load(), "events")
	// Output: 3 events
}
