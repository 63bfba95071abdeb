// Package relay copies events between the instances of the dispatcher through
// Redis Pub/Sub: the firehose of events that players post, and the session
// events of users' screens.
//
// It promises:
//
//   - [Relay.Offer] and [Relay.OfferSession] copy the event, allocate nothing
//     and never wait. The caller has delivered the event to its own consumers
//     before; nothing that befalls Redis changes that.
//   - Events of one instance arrive elsewhere in the order of the offers, once
//     or not at all. For the firehose an instance that misses some learns how
//     many, exactly, and tells its consumers.
//   - An instance never gets its own events back.
//   - Memory is bounded. What does not fit, or would come too late, is dropped
//     and counted.
//   - While Redis is away the relay tries to get it back; afterwards it goes on
//     with what is recent.
//
// The way of an event:
//
//	Offer ─▶ outbox ─▶ publisher ─▶ Redis ─▶ subscriber ─▶ inbox ─▶ receiver ─▶ Sink
//	        (a ring)  (envelopes)                       (bounded)  (sequences)
//
// The outbox is a [ring.Ring] per shard with one reader, the publisher. A publisher
// that Redis holds up is lapped like any reader, and knows by how many events.
//
// # Sequences
//
// The outbox has a log per shard, so that also of what is lost it is known which
// shard it was for. The publisher numbers the events of a shard that were offered,
// those that were dropped included, from 0 in the life of the instance. An envelope
// carries consecutive events of one shard and the number of the first. A receiver
// keeps for each origin and shard the number that it expects: more than that is a
// gap of exactly that many events, less is what it has seen already. What arrives
// first of an origin's shard sets its beginning, so there is no gap then. A restarted
// instance has a new random origin. When nothing is published for a second, empty
// envelopes tell the numbers that come next, so that the end of a burst cannot be
// lost unnoticed.
//
// # When Redis does not answer
//
// An envelope that was sent without an answer may have arrived or not. It is sent
// again, with the same number, until there is an answer; receivers pass over what
// they had. It is not given up for being old: Redis could still deliver it from
// its socket buffer, and then dropped would not be dropped. There are at most
// maxPipeline of them. What waits in the outbox is dropped once it is older than
// [Options.MaxAge]: consumers are never sent the past as if it were the present.
//
// After such a time the publisher first sends empty envelopes until as many
// instances listen as before, for at most regather, because what is published
// before they are back is lost for them.
//
// # Who touches what
//
//	outbox          Publish by anyone; read by its publisher
//	inbox           sent to by the client library's goroutine, never waiting;
//	                received from by the receiver
//	origins, owed   the receiver only
//	counters        atomics; read by Stats
//
// # Trust
//
// Everybody who can reach Redis can publish. So lengths and counts of an envelope
// are checked before use, and every event again like one that a player posts:
// JSON, UTF-8, no line ends.
package relay
