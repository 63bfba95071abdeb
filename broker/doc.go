// Package broker takes events from producers and lets consumers read them, at
// the speed of memory and without either side waiting for the other.
//
// It promises:
//
//   - Publish never waits for a reader, and copies the event once.
//   - A reader gets every event published after it took its cursor, in order
//     within a shard, or is told how many it skipped: received plus skipped
//     equals published, always.
//   - With one shard all readers see one total order. With more, order holds
//     within a shard, and a producer's connection (or a shard key's value)
//     stays in one shard.
//   - Memory is bounded by [Options.Bytes].
//
// Nothing is stored beyond that bound and nothing is resent.
//
// Packages below it: ring is one shard's log, wake parks and wakes its readers,
// jsonkey finds the shard key in an event. The broker and these three import the
// standard library only. Beside it, for users' screens and several instances:
// session stores what screens share, relay copies events between instances, redis
// connects both to Redis without letting them wait for it.
package broker
