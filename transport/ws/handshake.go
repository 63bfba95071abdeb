package ws

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Errors of [ParseHandshake].
var (
	ErrNoUpgrade = errors.New("ws: the request asks for no upgrade to websocket")
	ErrVersion   = errors.New("ws: the version of the protocol is not 13")
	ErrHandshake = errors.New("ws: the key is not one of 16 bytes")
)

// A Handshake is what answering an upgrade needs of its request.
type Handshake struct{ key string }

// Wanted reports whether a request asks for an upgrade to WebSocket.
func Wanted(h *fasthttp.RequestHeader) bool {
	return hasToken(h, fasthttp.HeaderUpgrade, "websocket")
}

// ParseHandshake checks the request of an upgrade (RFC 6455, section 4.2.1).
func ParseHandshake(h *fasthttp.RequestHeader) (Handshake, error) {
	if !Wanted(h) || !hasToken(h, fasthttp.HeaderConnection, "upgrade") || string(h.Protocol()) != "HTTP/1.1" {
		return Handshake{}, ErrNoUpgrade
	}
	if !hasToken(h, fasthttp.HeaderSecWebSocketVersion, "13") {
		return Handshake{}, ErrVersion
	}
	key := string(h.Peek(fasthttp.HeaderSecWebSocketKey))
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 {
		return Handshake{}, ErrHandshake
	}
	return Handshake{key}, nil
}

// hasToken reports whether a header that is a list has the token, in any case.
func hasToken(h *fasthttp.RequestHeader, name, token string) bool {
	for _, line := range h.PeekAll(name) {
		for item := range strings.SplitSeq(string(line), ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// handshakeWait is how long the answer to a handshake may take to be written.
const handshakeWait = 5 * time.Second

// A line is the connection as the WebSocket library sees it. The library parses
// what comes in and knows what to answer to it; but what it writes, control
// frames only, goes to those who write events, so that no frame ever stands
// within another.
type line struct {
	net.Conn
	early   []byte             // came with the handshake
	control func(frame []byte) // nil while the handshake is answered
	flow    flow
}

func (l *line) Read(p []byte) (int, error) {
	if len(l.early) > 0 {
		n := copy(p, l.early)
		l.early = l.early[n:]
		return n, nil
	}
	l.early = nil
	n, err := l.Conn.Read(p)
	if flood := l.flow.take(n); flood != nil {
		return 0, flood
	}
	return n, err
}

func (l *line) Write(p []byte) (int, error) {
	if l.control == nil {
		// Answers to earlier requests that were not read may fill the connection.
		l.Conn.SetWriteDeadline(time.Now().Add(handshakeWait))
		return l.Conn.Write(p)
	}
	l.control(p)
	return len(p), nil
}

// SetWriteDeadline is for those who write.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// upgrader answers handshakes. Reads are rare and short, so the buffer is small:
// with thousands of sockets it would be most of what they cost.
var upgrader = websocket.Upgrader{
	ReadBufferSize:  128,
	WriteBufferPool: new(sync.Pool), // control frames need none
	CheckOrigin:     func(*http.Request) bool { return true },
}

// accept answers the handshake on l.
func (h Handshake) accept(l *line) (*websocket.Conn, error) {
	return upgrader.Upgrade(hijacked{l}, &http.Request{
		Method: http.MethodGet,
		Header: http.Header{
			"Connection":            {"upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {h.key},
		},
	}, nil)
}

// hijacked makes a connection that is taken out of one HTTP server look like one
// that can be taken out of another: so the library takes it as it is.
type hijacked struct{ line *line }

func (h hijacked) Header() http.Header         { return http.Header{} }
func (h hijacked) Write(p []byte) (int, error) { return len(p), nil }
func (h hijacked) WriteHeader(int)             {}

// Hijack implements [http.Hijacker].
func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nothing := strings.NewReader("")
	return h.line, bufio.NewReadWriter(bufio.NewReaderSize(nothing, 16), bufio.NewWriterSize(io.Discard, 16)), nil
}
