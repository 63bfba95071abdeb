package websocket

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Errors of [ParseHandshake].
var (
	ErrNoUpgrade = errors.New("websocket: the request asks for no upgrade to websocket")
	ErrVersion   = errors.New("websocket: the version of the protocol is not 13")
	ErrHandshake = errors.New("websocket: there is not one key of 16 bytes")
)

// A Handshake is what answering an upgrade needs of its request.
type Handshake struct {
	// Protocol is the subprotocol that the answer picks; empty: none.
	Protocol string

	key string
}

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
	keys := h.PeekAll(fasthttp.HeaderSecWebSocketKey)
	if len(keys) == 0 {
		return Handshake{}, ErrHandshake
	}
	for _, other := range keys[1:] { // must not appear more than once (section 11.3.1)
		if string(other) != string(keys[0]) {
			return Handshake{}, ErrHandshake
		}
	}
	key := string(keys[0])
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 {
		return Handshake{}, ErrHandshake
	}
	return Handshake{key: key}, nil
}

// list is the items of a header that is a list.
func list(h *fasthttp.RequestHeader, name string) (items []string) {
	for _, line := range h.PeekAll(name) {
		for item := range strings.SplitSeq(string(line), ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	return items
}

// hasToken reports whether a header that is a list has the token, in any case.
func hasToken(h *fasthttp.RequestHeader, name, token string) bool {
	return slices.ContainsFunc(list(h, name), func(item string) bool { return strings.EqualFold(item, token) })
}

// acceptKey is what goes behind a key before both are hashed (section 1.3).
const acceptKey = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// appendAnswer appends the response that ends the handshake.
func (h Handshake) appendAnswer(dst []byte) []byte {
	sum := sha1.Sum([]byte(h.key + acceptKey))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	if h.Protocol != "" {
		dst = append(append(dst, "\r\nSec-WebSocket-Protocol: "...), h.Protocol...)
	}
	return append(dst, "\r\n\r\n"...)
}

// answerWait is how long the answer to a handshake may take to be written: answers to
// earlier requests that were not read may fill the connection.
const answerWait = 5 * time.Second

// Answer writes the response that ends the handshake.
func (h Handshake) Answer(conn net.Conn) error {
	conn.SetWriteDeadline(time.Now().Add(answerWait))
	_, err := conn.Write(h.appendAnswer(nil))
	conn.SetWriteDeadline(time.Time{})
	return err
}
