// Package session keeps what users' screens share: per practice and user the
// latest event of each action, and who is active.
//
// A [Store] has two implementations. [Memory] is complete on its own and bounded
// in entries, bytes and time. [Redis] shares one state between instances, and
// with the original service, whose names it uses:
//
//	alice:UPDATING_CARD   string: the Event's JSON, with a TTL
//	alice:VIEWING_CARD    string: the same for the other action
//	users                 set: the active users
//
// It adds names of its own, which the original does not look at:
//
//	alice:SOCKETS         sorted set: the instances where alice has a socket, with
//	                      her practice as she wrote it, by the time at which their
//	                      word for it runs out
//	alice:PRACTICES       set: practices other than the default one
//	practice/:USERS       set: the active users of a practice other than the default
//	                      one, who are in "users", too
//
// In a practice other than the default one "alice" is "practice/alice". What
// could be mistaken for the punctuation of a key is percent-encoded in names, so
// that two users never share a key; names without such characters stay as they are.
//
// # Without Redis
//
// Redis (the type) keeps a Memory beside the server, the mirror: everything put
// here, and what [Redis.Observe] was told of. Calls never wait longer than a
// bounded time. While the server cannot be reached, or refuses a write, the mirror
// answers, and what the server missed is written when it is back. So nothing
// that a method does can fail for its caller: errors are counted by reason and
// logged by the store.
//
// Redis has three parts, each of which uses the server in its way: writes, from the
// mirror to the server; reads, back; and attendance, which tells the server who has
// sockets here, by leases.
//
// # Who is active
//
// A user is active while one of its sockets is open, at any instance. An
// instance counts its own sockets; in Redis it only says that there are some,
// and repeats that before its word (the lease) runs out. If it dies, the lease
// ends, and another instance that finds no lease left takes the user over, by a
// lease of its own, and lets it leave. The instance that ends the last lease is the one that
// learns so, because Redis runs each script as one. An instance that got no answer does
// not know, and asks again.
//
// # Who sees to an event
//
// Every event in Redis is in the budget of an instance, which removes it there when it gives it
// up: the one that stored it, and each that has its user. So an instance that gives up an event
// leaves it to those that have the user, and an instance where a user comes reads what Redis has of
// it (adopt).
package session
