// Package wire knows what events and notices look like on a connection:
// Server-Sent Events, NDJSON and WebSocket. It knows nothing of sockets, and its
// functions append to what they are given.
package wire
