// Package front is where connections come in. A [Front] accepts them, keeps them
// under their caps, refuses what is not well-formed HTTP, hands requests to one
// handler and lets a room take a connection over.
//
//	Accept (listener.go)  over a cap: refused before a byte of it is read
//	read   (conn.go)      in time, or 408
//	check  (wellformed.go)
//	serve  (front.go)     a panic in the handler is answered and counted
//	take   (takeover.go)  streams and sockets leave the HTTP server
//
// refuse.go answers what is refused on the way and ends its connection.
package front
