// Package smuggling has requests that programs are known to read differently. Where
// one of them stands before the other, a request may hide in another one's body.
package smuggling

import "strings"

// A Probe is a request, and behind it Hidden. No program may take Hidden for a
// request that takes it for a part of the first.
type Probe struct {
	Name    string
	Request string // all bytes to send
	Status  int    // of the service's only answer, after which it closes
}

// Hidden is the event that is published where a probe succeeds.
const Hidden = "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"

func head(lines ...string) string {
	return "POST /metrics HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// Probes are those that the service refuses.
var Probes = []Probe{
	{"length and chunks", head("Content-Length: 6", "Transfer-Encoding: chunked") + "0\r\n\r\n" + Hidden, 400},
	{"chunks and length", head("Transfer-Encoding: chunked", "Content-Length: 6") + "0\r\n\r\n" + Hidden, 400},
	{"chunks and length in another case", head("TRANSFER-ENCODING: Chunked", "content-length: 6") + "0\r\n\r\n" + Hidden, 400},
	{"two lengths", head("Content-Length: 2", "Content-Length: 100") + "{}" + Hidden, 400},
	{"the same length twice", head("Content-Length: 2", "Content-Length: 2") + "{}" + Hidden, 400},
	{"a list of lengths", head("Content-Length: 2, 2") + "{}" + Hidden, 400},
	{"negative length", head("Content-Length: -2") + "{}" + Hidden, 400},
	{"signed length", head("Content-Length: +2") + "{}" + Hidden, 400},
	{"hexadecimal length", head("Content-Length: 0x2") + "{}" + Hidden, 400},
	{"length with a space", head("Content-Length: 2 2") + "{}" + Hidden, 400},
	{"endless length", head("Content-Length: 99999999999999999999999") + "{}" + Hidden, 400},
	{"empty length", head("Content-Length:") + Hidden, 400},
	{"space before the colon", head("Content-Length : 2") + "{}" + Hidden, 400},
	{"space before the colon of an encoding", head("Transfer-Encoding : chunked") + "0\r\n\r\n" + Hidden, 400},
	{"two encodings", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + Hidden, 400},
	{"encoding that hides chunked", head("Transfer-Encoding: xchunked", "Content-Length: 2") + "{}" + Hidden, 501},
	{"chunked and another", head("Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + Hidden, 400},
	{"gzip, chunked", head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + Hidden, 501},
	{"identity", head("Transfer-Encoding: identity", "Content-Length: 2") + "{}" + Hidden, 400},
	{"identity alone", head("Transfer-Encoding: identity") + Hidden, 501},
	{"empty encoding", head("Transfer-Encoding:", "Content-Length: 2") + "{}" + Hidden, 400},
	{"vertical tab", head("Transfer-Encoding: \x0bchunked", "Content-Length: 2") + "{}" + Hidden, 400},
	{"quoted", head("Transfer-Encoding: \"chunked\"", "Content-Length: 2") + "{}" + Hidden, 400},
	{"encoding in HTTP/1.0", "POST /metrics HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + Hidden, 400},
	{"chunk size with a sign", head("Transfer-Encoding: chunked") + "+2\r\n{}\r\n0\r\n\r\n" + Hidden, 400},
	{"chunk size with 0x", head("Transfer-Encoding: chunked") + "0x2\r\n{}\r\n0\r\n\r\n" + Hidden, 400},
	{"chunk without an end", head("Transfer-Encoding: chunked") + "2\r\n{}0\r\n\r\n" + Hidden, 400},
	{"chunk longer than said", head("Transfer-Encoding: chunked") + "2\r\n{} \r\n0\r\n\r\n" + Hidden, 400},
	{"endless chunk size", head("Transfer-Encoding: chunked") + strings.Repeat("f", 40) + "\r\n{}", 400},
	{"line feed in a chunk extension", head("Transfer-Encoding: chunked") + "2;a\nb\r\n{}\r\n0\r\n\r\n" + Hidden, 400},
	{"length in a trailer", head("Transfer-Encoding: chunked") + "2\r\n{}\r\n0\r\nContent-Length: 100\r\n\r\n" + Hidden, 400},
	{"no Host", "POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" + Hidden, 400},
	{"two Hosts", head("Host: b", "Content-Length: 2") + "{}" + Hidden, 400},
	{"NUL in a value", head("X: a\x00b", "Content-Length: 2") + "{}" + Hidden, 400},
	{"CR in a value", head("X: a\rb", "Content-Length: 2") + "{}" + Hidden, 400},
	{"line without a colon", head("X", "Content-Length: 2") + "{}" + Hidden, 400},
	{"no name", head(": a", "Content-Length: 2") + "{}" + Hidden, 400},
	{"folded line", head("X: a", " Content-Length: 2") + Hidden, 400},
	{"HTTP/0.9", "GET /health\r\n" + Hidden, 400},
	{"space in the target", "POST /metrics a HTTP/1.1\r\nHost: a\r\n\r\n" + Hidden, 400},
	{"control byte in the target", "POST /met\x01rics HTTP/1.1\r\nHost: a\r\n\r\n" + Hidden, 400},
	{"no target", "POST  HTTP/1.1\r\nHost: a\r\n\r\n" + Hidden, 400},
	{"HTTP/1.2", "POST /metrics HTTP/1.2\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + Hidden, 505},
	{"HTTP/2.0", "POST /metrics HTTP/2.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + Hidden, 505},
	{"HTTP/9.9", "GET /health HTTP/9.9\r\nHost: a\r\n\r\n" + Hidden, 505},
	{"HTTP/2 without an upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	{"http/1.1", "POST /metrics http/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + Hidden, 400},
	{"HTTP/1.1.1", "POST /metrics HTTP/1.1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + Hidden, 400},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500) + "\r\n\r\n", 400},
}
