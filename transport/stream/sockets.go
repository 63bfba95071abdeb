package stream

import "time"

// sockets are the connections of a loop's consumers and what tells of them: an epoll
// set where there is one, goroutines elsewhere. The loop calls all methods, but for
// take and wake, which anybody calls, and drop of a consumer it was never given.
type sockets interface {
	// take takes c.conn over. Without an error nothing but drop gives it back. The
	// connection of a link stays its reader's, too.
	take(c *consumer) error
	// watch has wait tell of the consumer from now on.
	watch(c *consumer) error
	// send hands over as much of p as there is room for, and keeps nothing of p.
	// If it is less than all, wait tells when there is room. It reports false,
	// and why, if the connection is over.
	send(c *consumer, p []byte) (n int, why Reason, ok bool)
	// flushed reports whether nothing that was handed over can be lost by drop.
	// If it is not so, wait tells when it is.
	flushed(c *consumer) bool
	// backlog is how many bytes the peer has still to take.
	backlog(c *consumer) int
	// silence is why a peer has taken nothing for so long: it has stalled or vanished.
	silence(c *consumer, quiet time.Duration) Reason
	// drop lets go of the connection: with a clean end if the consumer was drained.
	drop(c *consumer, why Reason)
	// wait calls l.onSocket for every socket with news. It returns after one
	// round, or when the timeout is over; a negative one never is.
	wait(timeout time.Duration, l *loop)
	// wake ends the current or the next wait, also after close.
	wake()
	// pause sleeps without being woken.
	pause(d time.Duration)
	// close releases what is there beside the connections. It may be called again.
	close()
}
