// Package stream writes events to consumers. A [Pool] has a few writer loops;
// each owns many consumers and is the only one that writes to, or closes, their
// sockets (but those of a [Link], which their reader closes). No consumer has a
// goroutine or a buffer of its own here.
//
// # The herd
//
// Consumers of one loop that asked for the same, a view, and are up to date are a herd.
// A sweep reads what is new, one contiguous slice of the ring, builds what each herd
// gets of it once, and hands the same bytes to write(2) once per member. Those who ask
// for nothing get the slice as it is in the ring; for other views the bytes are in one
// scratch buffer. Only a consumer whose socket takes less than all leaves the herd: it
// lags, with a cursor of its own, and rejoins once it has caught up.
//
//	ring   ──────────────────────────────▶ newest
//	          ▲ laggard        ▲ herds
//	          └ own cursor     └ one front per shard, any number of herds and consumers
//
// A new consumer starts as a laggard at the place where its stream was opened, or that
// it resumes from, so it gets every event from there on and nothing older.
//
// Herds with the same delay are a group. All herds of a group stand at the same place
// in a shard, its front: an event is read once, however many views there are. One pass
// over the event finds the herds that select it (view.Matcher), so it costs nothing
// for the others. Conflated herds are a group, too, which reads only so much in a turn:
// some of them may stand one event before the front (hold.go). What a herd holds back for
// conflation, or compresses once for all its members, is its own (conflate.go, pack.go).
//
// What a socket took a part of is kept, once for all laggards of the loop that lack the
// rest of it, within a budget (keep.go).
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
//  3. For every consumer: delivered + skipped + passed over + lag = published since it
//     joined. What is skipped was told to it, at the place where it is missing.
//  4. A loop pins one segment of the ring at a time, and only while it sweeps
//     or serves a laggard.
//  5. A consumer is closed exactly once, by its loop, with one [Reason].
//
// # When a loop sleeps
//
// With nothing to do it parks (packages wake and epoll). The first event after
// a pause goes out at once. If events arrive so fast that a sweep for each would
// keep the loop busy, it pauses up to the flush interval between sweeps: then
// one write carries many events, and the processors are left to ingest. See pace.
//
// # The drain
//
// When ends begin, the ends of the logs become goals. A stream ends, with a
// farewell, when it is due and has passed the goals of its shards: what was
// accepted before is delivered, even behind a hole, and what other instances
// still publish does not keep it open. A laggard that is due ends as soon as it has
// joined its herd again. Streams that have not got there at the deadline are cut.
//
// # Places to resume from
//
// An id is the broker's epoch and a sequence per shard. With ids each event has its own:
// in the same block of Server-Sent Events, so whoever is cut anywhere and resumes gets no
// event twice and lacks none; right behind it on the other wires, where the same holds
// for who counts an event when its id has come. Of the event's shard it has the sequence
// behind the event, of the others where the reader stands: the fronts for a herd, its own
// cursors for a laggard. A keep-alive carries a newer place, for views that little passes.
//
// # Wires
//
// The bytes of events and of what else is written (keep-alives, notices of skipped
// events, the farewell) are package wire's. Where consumers speak, too, their reader
// has answers written between events through a [Link].
//
// # Systems
//
// A loop works on sockets behind an interface. On Linux it waits on an epoll set of its
// own and holds duplicated descriptors (sockets_linux.go, about 0.4 KiB per idle
// consumer). Elsewhere, and for connections without a descriptor, like those over TLS,
// goroutines read and wait for the same loop (sockets_portable.go).
package stream
