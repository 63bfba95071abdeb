// Package ring is a broadcast log of bounded size. Any number of goroutines
// publish and any number of readers follow, each at its own cursor. A publisher
// never waits for a reader: one that falls further behind than the ring retains
// is moved to the oldest event still there and told exactly how many it missed.
//
// Events live in segments, and a segment has two planes. The data plane is one
// byte slice with the events back to back and nothing else, so that whatever a
// reader is behind within a segment is one contiguous slice, ready for write(2).
// The index plane has a word per event: where the event ends in the data plane
// and when it was published; 0 means not committed.
//
// Three events of 5, 3 and 6 bytes in a segment whose base is 40; a fourth of 4
// bytes is reserved, but its publisher has not committed it yet (a hole):
//
//	slot       0      1      2      3
//	sequence   40     41     42     43
//	index    [  5 ] [  8 ] [ 14 ] [  0 ] [ 0 ] ...
//	data     [aaaaa bbb cccccc ....            ]
//	          0     5   8      14  18              state: open, 4 events, 18 bytes
//
//	a cursor at 41 gets "bbbcccccc", two events, and then stands at 43
//	a cursor at 43 gets nothing until the hole is filled
//
// One word, the segment's state, holds phase, epoch, number of events and number
// of bytes. A single compare-and-swap on it reserves slot and bytes together, so
// slot order is byte order. A publisher whose event does not fit seals the
// segment and links the next one to it; the oldest segment then leaves the
// window (it is retired) and is recycled for a later one. Every step can be
// taken over by any other publisher, so a publisher that is preempted anywhere
// stops nobody else.
//
// # Invariants
//
//  1. Committed bytes are not modified until their segment is retired, unpinned
//     and fully committed. (Without the last condition a publisher preempted
//     between its reservation and its copy would write into recycled memory.)
//  2. Event k's bytes are [end(k-1), end(k)) of the data plane.
//  3. base(next segment) = base + events + gap, where gap is 0 unless the segment
//     was sealed by [Ring.Skip]. So for every reader, events received plus events
//     reported as skipped equal the sequence numbers passed since it joined.
//  4. A reader pins the segment and then loads its ref. A retiring publisher
//     clears the ref, and the publisher that claims the segment loads the pins later. Go's
//     atomics are sequentially consistent, so at least one of the two sees the
//     other: the reader gives up, or the segment is not claimed.
//  5. A reservation succeeds only if the event fits: bytes never pass the end of
//     the data plane, events never pass the end of the index plane.
//  6. A reader pins one segment at a time. Readers that pin at the same time need
//     a spare segment each, so that recycling never waits for them. When the
//     spares run out the window shrinks: the oldest events go, not the newest.
//  7. Only segments of the log take events. A segment's state carries the low
//     bits of its ordinal (the epoch), and the link to the next segment carries
//     the whole of it; within one life the phase only moves forward, from closed
//     to open to sealed, and stays sealed while the segment is retired, free or
//     claimed, until it is prepared for its next life. A compare-and-swap by a
//     publisher that slept through any of this therefore fails.
//  8. No two lives of a segment have the same ref. A publisher claims a segment,
//     sees that the link is still empty, and only then prepares it: as long as it
//     holds the segment, nobody else can link that segment under that ordinal.
//
// # Who touches what
//
//	active         CAS by any publisher, forward by one    Load by anyone
//	oldest         CAS by any publisher, forward by one    Load by anyone
//	segment.state  CAS by publishers; Store by claimant    Load by anyone
//	segment.next   CAS by publishers; Store by claimant    Load by anyone
//	segment.ref    Store by claimant, and by the one       Load by readers
//	               publisher that moved oldest past it
//	segment.base   Store by claimant                       Load by anyone; counts if
//	                                                       the ref, or the link,
//	                                                       proves to be unchanged
//	segment.gap    Store by Skip, one at a time, before    as base, and only in
//	               its CAS of state                        phase gapped
//	segment.claimed
//	               CAS by would-be claimants; Store by     Load by would-be
//	               claimant, and by who cleared ref        claimants
//	segment.pins   Add by readers                          Load by claimants
//	segment.index  Store by the slot's publisher;          Load by readers that
//	               cleared by claimant                     pinned, and claimants
//	segment.data   written by the bytes' publisher         read by readers that pinned
//	Cursor, Batch  plain access by their one owner
//
// # Happens before
//
// A publisher copies its bytes, then stores the index word: a reader that finds
// the word sees the bytes. A claimant prepares a segment, then links it with a
// compare-and-swap: everybody who follows the link sees it prepared. A reader reads,
// then unpins: a claimant that finds no pin may overwrite what was read. All of
// these are atomic operations on one word each (go.dev/ref/mem#atomic); nothing
// else is relied on, and the race detector agrees. TestEveryInterleaving plays the
// orders in which a few publishers and readers can take these steps, every one
// with up to one to three interruptions, and checks the invariants after each step.
//
// # Costs
//
// Publishing is one compare-and-swap, one copy and one store; of a run of events
// ([Ring.PublishRun]) a copy and a store each, and one compare-and-swap for as many
// as fit. Reading is one load per event, and one pin and unpin per batch. A hole
// stops all readers of the ring until its publisher runs again; what is copied
// between a reservation and its last commit is bounded by the largest event. Memory is the window plus the spares,
// allocated by New and never given back; the system backs a page when it is first
// written.
package ring
