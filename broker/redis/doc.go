// Package redis connects to Redis for those who must not wait for it.
//
// [Parse] reads the address. [Connect] gives a client to a goroutine that may
// wait: a publisher, a subscriber. [Guard] lets everybody else make calls: one
// returns after a bounded time whatever Redis and the network do, and at once
// while Redis is known to be out of reach.
//
// The client library honours a context's deadline only once a command is in its
// pipeline; it waits for a place there, or for a connection being made, without
// looking at the context. So a Guard runs each call in a goroutine of its own,
// bounds their number below the size of the pipeline, and lets the caller go
// when the time is over.
package redis
