// Package screens serves the screens of users, who share what each of them does:
// submissions by POST, what is stored of a user, and sockets that show both. The
// handlers are [Screens]; a [Hub] has the sockets. What is stored, told to other
// instances, and who is logged out, is package session's.
//
// It promises, for the session sockets of one instance:
//
//   - A socket gets, first, what is stored of the practice's active users, oldest
//     first, then every event for it that is published from the moment at which
//     its handshake was answered: none twice, none missing, all sockets in the
//     same order, but for what looks older than its replay (see below).
//   - An event is encoded once, whatever the number of sockets.
//   - Nothing that a peer does, or does not do, holds up anybody else. A socket
//     that does not take its events in time loses the oldest and is told how
//     many: a ping frame with the payload "skipped N".
//
// The way of an event:
//
//	Service.Submit ─▶ store ─▶ Deliver ─▶ queue of each socket ─▶ write ─▶ connection
//	                              ▲ └─▶ other instances
//	Service.DeliverSession ───────┘
//
// # A socket
//
// An idle socket has no goroutine: what peers send is read for all of them by
// [websocket.Readers]. What goes out is written by write, a turn of one of the writer
// loops, which the socket's outbox asks for when there is something. What the connection
// does not take at once is parked until the readers say that it takes bytes again: a socket
// that is not read costs no goroutine either. Where nothing can wait for that (over TLS, or
// without epoll), flush continues in a goroutine, until nothing is left. Whole frames only.
//
// # Memory
//
// Everything that waits, a replay as well as a live event, is a frame in the hub's
// budget, encoded once. Over the budget the oldest frames are given up, whichever
// socket waits for them; see budget.
//
// # No gap and no duplicate
//
// A socket is entered into its room, the practice's, before its handshake is answered, and the store is
// read after that. An event is stored before it is published. So an event that
// the store did not have yet was published after the socket was entered, and is
// in its queue. What is in both is recognized by its eventId, and keeps its place in
// the queue. An event may be on its way from another instance for a while longer,
// and come after a later one was replayed in its place: so what was replayed is
// remembered for session.OnItsWay, and the same is passed over. What looks older waits for up
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
//  1. One at a time writes to a socket, write or the flush that continues it: writing
//     is set before write is asked for, under the socket's lock, and whoever finds
//     nothing more to write clears it, under that lock. What is parked is taken up by
//     one, who clears parking.waits under that lock.
//  2. A frame's bytes are never modified.
//  3. The close frame is the last frame: after closed nothing is taken to be written.
//  4. Locks are taken in the order room, socket, then lately, budget or outbox; that of rooms is
//     let go before a room's is taken, so that no practice waits for another one, and no
//     user's lately is waited for with a room. Nobody calls the store, the relay or the
//     network with one of them held.
//  5. A socket that the sessions were told of, before its handshake was answered, is told to
//     have left once.
package screens
