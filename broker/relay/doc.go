// Package relay copies events between the instances of the dispatcher: the firehose
// of events that players post, over Redis Pub/Sub or NATS, and the session events of
// users' screens, over Redis.
//
// It promises:
//
//   - [Relay.Offer] and [Relay.OfferSession] copy the event, allocate nothing
//     and never wait. The caller has delivered the event to its own consumers
//     before; no fault of the carrier changes that.
//   - Events of one instance arrive elsewhere in the order of the offers, once
//     or not at all. For the firehose an instance that misses some learns how
//     many, exactly, and tells its consumers, before what came after them.
//   - An instance takes of the firehose only the shards that its consumers want:
//     nothing while there are none. What nobody wanted is no gap.
//   - An instance never gets its own events back.
//   - Memory is bounded. What does not fit, or would come too late, is dropped
//     and counted.
//   - While the carrier cannot be reached the relay tries to get it back; afterwards it goes on
//     with what is recent.
//
// The way of an event:
//
//	Offer ─▶ outbox ─▶ publisher ─▶ carrier ─▶ subscriber ─▶ inbox ─▶ receiver ─▶ Sink
//	        (a ring)  (envelopes)  (Out)  (In)            (bounded)  (sequences)
//
// The outbox is a [ring.Ring] per shard with one reader, the publisher. A publisher
// that the carrier holds up is lapped like any reader, and knows by how many events.
// What a carrier must do is little, see [Carrier]: everything that is promised here is
// made of sequences and answers.
//
// # Channels
//
// One shard goes by the channel of the name itself, as in older versions. Of several,
// each has a channel of its own below the name ({name}/0 in Redis, name.0 in NATS), and by that of the
// name every instance tells each second how many it has, so that instances with
// another number find the channels. A subscriber hears the wanted channels,
// and for [Options.Linger] those that are no longer wanted. Each subscription has a
// term: what arrives first in a new one is a beginning, and no gap is told before it.
// One that the carrier interrupts keeps its term, so what was missed is told.
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
// An origin that goes on for seconds with nothing but what counts as seen was never
// where its receiver believes it to be, which then goes back: see place.strayed.
//
// # When the carrier does not answer
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
// before they are back is lost for them. NATS does not say how many listen: they get
// settle.
//
// An instance that ends says farewell. One that is silent without having done that was
// killed, or talks to another server: [Relay.Degraded] tells of it for a minute.
//
// A Redis that has become a replica answers as before, and nobody hears what is
// published there. The publisher asks for the role every second, and connects again.
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
// Everybody who can reach the server can publish, and who publishes in the name of an
// instance is believed to be it: for a while that can hide its events. So nobody but
// instances should be let there. Lengths and counts of an envelope
// are checked before use, and every event again like one that a player posts:
// JSON, UTF-8, no line ends.
package relay
