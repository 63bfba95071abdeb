// Package wire knows what events and notices look like on a connection:
// Server-Sent Events, NDJSON and WebSocket. It knows nothing of sockets, and its
// functions append to what they are given.
//
// # The frame in the ring
//
// Most consumers speak HTTP/1.1 and read Server-Sent Events, so an event stands in
// the ring as it goes to them: a chunk of its own (RFC 9112, section 7.1) that
// holds one event block.
//
//	00001f CR LF  data: {"event_name":"START"} LF LF  CR LF
//	└ size ┘      └ Prefix ends here                  └ Suffix
//
// The size has six digits whatever it is, so the JSON is found without looking:
// see [JSON]. That each event is a chunk has a reason besides: some clients
// (Python's requests) hand on what they read chunk by chunk, and block by block of
// 512 bytes where there are no chunks.
//
// # Notices
//
// What is written besides events must not be taken for one. On Server-Sent Events
// a notice is a comment of one line without an empty line behind it, because some
// clients show every empty line as a message. A browser takes a retry field when
// its line ends, so that needs no empty line either. On NDJSON notices are lines
// with the only member "$dispatcher"; on WebSocket they are control frames, and text
// frames like those lines for who asks for them. An event that begins like such a notice
// is written behind a blank, so the first bytes of a line or frame tell.
package wire
