// Package ws speaks WebSocket: the session sockets of users' screens, a [Hub] of
// them, and the frames and the reading half of streams over WebSocket.
//
// It promises, for the session sockets of one instance:
//
//   - A socket gets, first, what is stored of the practice's active users, oldest
//     first, then every event for it that is published from the moment at which
//     its handshake was answered: none twice, none missing, all sockets in the
//     same order, but for what looks older than its replay (see below).
//   - Events of a user that are submitted here are stored, delivered and published
//     in one order: the store and all screens end with the same one.
//   - An event is encoded once, whatever the number of sockets.
//   - Nothing that a peer does, or does not do, holds up anybody else. A socket
//     that does not take its events in time loses the oldest and is told how
//     many: a ping frame with the payload "skipped N".
//   - A user whose last socket closed, and who does not come back within the
//     grace, is gone: exactly one event says so, among all instances that reach
//     the store. One that does not decides alone.
//
// The way of an event:
//
//	Submit ─▶ store ─▶ deliver ─▶ queue of each socket ─▶ flush ─▶ connection
//	                      ▲   └─▶ other instances
//	DeliverSession ───────┘
//
// # A socket
//
// A socket has a goroutine that reads; the library in it parses frames, and knows
// what is wrong with them. It is the only goroutine of an idle socket. What goes
// out is written by flush, which runs while there is something: one at a time per
// socket, whole frames only. Control frames that the library wants written go
// through the same door (type line), so no frame ever stands within another.
//
// # No gap and no duplicate
//
// A socket is entered into its room before its handshake is answered, and the store is
// read after that. An event is stored before it is published. So an event that
// the store did not have yet was published after the socket was entered, and is
// in its queue. What is in both is recognized by its eventId, and keeps its place in
// the queue. An event may be on its way from another instance for a while longer,
// and come after a later one was replayed in its place: so what was replayed is
// remembered for inFlight, and the same is passed over. What looks older waits for up
// to two seconds: if it was overtaken, the replayed event comes behind it, and both are
// passed over; if only the clocks of two instances differ, none does, and it is sent.
//
// Sockets that open at the same time share one reading of the store, and all sockets
// share the frames of what was read: a socket has only its place in a replay, and
// what is left out of it. So a practice that all reconnect to costs its stored events
// once, not once per socket.
//
// # Invariants
//
//  1. At most one flush runs per socket: writing is set before it starts, under
//     the socket's lock, and it clears it, under that lock, when it finds nothing.
//  2. A frame's bytes are never modified.
//  3. The close frame is the last frame: after closed nothing is taken to be written.
//  4. Locks are taken in the order turn, hub, socket, lately; nobody calls the store,
//     the relay or the network with another one than the turn held.
//  5. A socket that was joined in the store leaves it once, after the grace; not
//     any more once the hub drains, see Drain.
package ws
