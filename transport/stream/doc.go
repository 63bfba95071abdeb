// Package stream writes events to consumers. A [Pool] has a few writer loops;
// each owns many consumers and is the only one that writes to, or closes, their
// sockets (but those of a [Link], which their reader closes). No consumer has a
// goroutine or a buffer of its own here.
//
// # The herd
//
// Consumers that are up to date share their loop's cursor: they are its herd. A
// sweep reads what is new, one contiguous slice of the ring, and hands that same
// slice to write(2) once per member; nothing is copied or encoded per consumer.
// Only a consumer whose socket takes less than the whole slice leaves the herd:
// it lags, with a cursor of its own, and rejoins once it has caught up.
//
//	ring   ──────────────────────────────▶ newest
//	          ▲ laggard        ▲ herd
//	          └ own cursor     └ one cursor, any number of consumers
//
// A new consumer starts as a laggard at the place where its stream was opened,
// so it gets every event from there on and nothing older.
//
// There is a herd per set of shards that consumers asked for. All herds of a loop
// stand at the same place in a shard, its front: an event is read once, however
// many sets there are, and costs nothing for those that lack its shard.
//
// After each sweep laggards get their turns, in order, for as long as the sweep took
// or a millisecond: a thousand that come back at once hold up nobody.
//
// # Invariants
//
//  1. A consumer's cursor stands between events. When the socket takes part of
//     an event, the rest of that event is kept aside and goes out first: half
//     an event is never followed by anything else.
//  2. A laggard passes a front only where the ring lapped both, and then waits for
//     it; so rejoining is a comparison.
//  3. For every consumer: delivered + skipped + lag = published since it joined.
//     What is skipped was told to it, at the place where it is missing.
//  4. A loop pins one segment of the ring at a time, and only while it sweeps
//     or serves a laggard.
//  5. A consumer is closed exactly once, by its loop, with one [Reason].
//
// # When a loop sleeps
//
// With nothing to do it parks (package wake) in epoll_wait. The first event after
// a pause goes out at once. If events arrive so fast that a sweep for each would
// keep the loop busy, it pauses up to the flush interval between sweeps: then
// one write carries many events, and the processors are left to ingest. See pace.
//
// # The drain
//
// When ends begin, the ends of the logs become goals. A stream ends, with a
// farewell, when it is due and has passed the goals of its shards: what was
// accepted before is delivered, be it behind a hole, and what other instances
// still publish does not keep it open. A laggard that is due ends as soon as it has
// joined its herd again. Who has not got there at the deadline is cut.
//
// # Wires
//
// The bytes of events come framed from the ring. What else is on the wire
// (keep-alives, notices of skipped events, the farewell) is a [Wire]; [SSE] is
// the one for Server-Sent Events. Where consumers speak, too, their reader
// has answers written between events through a [Link].
//
// On Linux a loop waits on an epoll set of its own and holds duplicated
// descriptors (loop_linux.go, about 0.4 KiB per idle consumer). Elsewhere there is a
// goroutine per consumer over the same cursors (portable.go).
package stream
