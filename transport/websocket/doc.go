// Package websocket is RFC 6455 on connections that were taken over from the HTTP
// server: the handshake, what peers send, and how a connection ends. What goes out is
// written by others, whole frames only.
//
// # What peers send
//
// All of it is read and thrown away, but for what the protocol asks for: pings are
// answered, a close frame is, and what breaks the protocol ends the connection with the
// code that says so. So nothing is kept of a message: [Inbound] looks at the bytes as
// they come, in pieces of any size, and an idle connection costs its state of some
// hundred bytes. (The usual libraries read from a goroutine per connection, which with
// their buffers is several KiB.)
//
// # Who reads
//
// On Linux [Readers] wait for all connections on an epoll set, with one goroutine, which
// reads what is there into one buffer. Elsewhere, and for connections without a
// descriptor, like those over TLS, there is a goroutine for each. Either way a [Peer] is
// told of one thing at a time, and of the end once.
//
// # Invariants
//
//  1. A Peer's methods do not wait: the goroutine that calls them reads for all.
//  2. End is the last call, and comes once: over is set by the first that ends it.
//  3. Nothing is read after End, and the descriptor is out of the epoll set before it.
package websocket
