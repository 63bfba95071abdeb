package transport

import (
	"bytes"
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// A Reason says why a request was refused.
type Reason uint8

// The order is that of the table below.
const (
	reasonInvalidJSON Reason = iota
	reasonByteOrderMark
	reasonEmptyBody
	reasonInvalidUTF8
	reasonNotObject
	reasonTooLarge
	reasonEncoding
	reasonMethod
	reasonNotFound
	reasonShards
	reasonMalformed
	reasonIncomplete
	reasonHeadersTooLarge
	reasonTimeout
	reasonVersion
	reasonClientLimit
	reasonClientConnections
	reasonOverloaded
	reasonConnections
	reasonConsumers
	reasonDraining
	reasonUsername
	reasonCardID
	reasonData
	reasonPractice
	reasonAction
	reasonEventType
	reasonTargetUser
	reasonUserPath
	reasonUpgrade
	reasonSocketVersion
	reasonHandshake
	reasonOrigin
	reasonSockets
	reasonPanic
	reasonCount
)

// refusals is the short list: label, status and text of every reason. The text
// never contains anything that the client sent.
var refusals = [reasonCount]struct {
	label  string
	status int
	text   string
}{
	reasonInvalidJSON:       {"invalid_json", 400, "the body is not one valid JSON value"},
	reasonByteOrderMark:     {"byte_order_mark", 400, "the body starts with a byte order mark"},
	reasonEmptyBody:         {"empty_body", 400, "the body is empty"},
	reasonInvalidUTF8:       {"invalid_utf8", 400, "the body is not valid UTF-8"},
	reasonNotObject:         {"not_object", 400, "the event must be a JSON object"},
	reasonTooLarge:          {"too_large", 413, "the body is larger than the limit"},
	reasonEncoding:          {"content_encoding", 415, "the body must not be compressed"},
	reasonMethod:            {"method", 405, "method not allowed, see Allow"},
	reasonNotFound:          {"not_found", 404, "no such path"},
	reasonShards:            {"shards", 400, "the query parameter shards must list existing shards, such as 0,2"},
	reasonMalformed:         {"malformed", 400, "the request is not well-formed HTTP/1.1"},
	reasonIncomplete:        {"incomplete", 400, "the connection ended before the request did"},
	reasonHeadersTooLarge:   {"headers_too_large", 431, "the request headers are larger than the limit"},
	reasonTimeout:           {"timeout", 408, "the request did not arrive in time"},
	reasonVersion:           {"http_version", 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
	reasonClientLimit:       {"client_limit", 429, "this client sends more events than it may"},
	reasonClientConnections: {"client_connections", 429, "this client holds as many connections as it may"},
	reasonOverloaded:        {"overloaded", 503, "more events arrive than the service may take"},
	reasonConnections:       {"connections", 503, "too many connections"},
	reasonConsumers:         {"consumers", 503, "too many consumers"},
	reasonDraining:          {"draining", 503, "the service is shutting down"},
	reasonUsername:          {"username", 400, "username must be a string of 1 to 256 bytes"},
	reasonCardID:            {"card_id", 400, "cardId must be a string of 1 to 256 bytes"},
	reasonData:              {"data", 400, "data must be a string"},
	reasonPractice:          {"practice_id", 400, "practiceId must be a string of at most 256 bytes"},
	reasonAction:            {"action", 400, "action must be UPDATING_CARD or VIEWING_CARD"},
	reasonEventType:         {"type", 400, "type must be USER_SESSION_EVENT or DATA_NOTIFICATION_EVENT"},
	reasonTargetUser:        {"target_user", 400, "targetUser must be a string of at most 256 bytes"},
	reasonUserPath:          {"user_path", 400, "names in the path must have 1 to 256 bytes of UTF-8, percent-encoded where needed"},
	reasonUpgrade:           {"upgrade_required", 426, "this path is for WebSocket"},
	reasonSocketVersion:     {"websocket_version", 426, "only version 13 of WebSocket is spoken here"},
	reasonHandshake:         {"handshake", 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
	reasonOrigin:            {"origin", 403, "pages of this origin may not open sockets; -socket-origins lists those for sessions, -cors-origins those for streams"},
	reasonSockets:           {"sockets", 503, "too many sockets"},
	reasonPanic:             {"panic", 500, "internal error"},
}

func (r Reason) String() string { return refusals[r].label }

// retryAfter is the Retry-After of 429 and 503, in seconds (RFC 9110, section 10.2.3).
const retryAfter = 1

// refusalCounters count refusals; each has its cache line, since players that
// are refused come in floods.
type refusalCounters [reasonCount]struct {
	atomic.Uint64
	_ [56]byte
}

// reject answers with the reason's status and text. It keeps headers that are
// already set, so CORS may come first.
func (s *Server) reject(ctx *fasthttp.RequestCtx, r Reason) {
	s.rejected[r].Add(1)
	f := &refusals[r]
	ctx.SetStatusCode(f.status)
	if bytes.HasPrefix(ctx.Request.Header.RequestURI(), []byte(sessionPrefix)) {
		writeJSON(ctx, refusal{f.label, f.text})
	} else {
		ctx.Response.Header.SetContentType("text/plain; charset=utf-8")
		ctx.Response.SetBodyString(f.label)
		ctx.Response.AppendBodyString(": " + f.text + "\n")
	}
	if f.status == fasthttp.StatusTooManyRequests || f.status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(retryAfter))
	}
}

// A refusal is the body of an answer that says no, on the paths of sessions.
type refusal struct {
	Error   string `json:"error"`
	Message string `json:"message"`
}

// rejectMethod answers 405 with the methods that the path has (RFC 9110, section 15.5.6).
func (s *Server) rejectMethod(ctx *fasthttp.RequestCtx, allow string) {
	ctx.Response.Header.Set(fasthttp.HeaderAllow, allow)
	s.reject(ctx, reasonMethod)
}

// refusalBytes is a whole response, for connections that never become a request.
func (s *Server) refusalBytes(r Reason) []byte {
	var none fasthttp.RequestHeader
	var resp fasthttp.Response
	f := &refusals[r]
	resp.SetStatusCode(f.status)
	s.cors.allow(&none, &resp.Header)
	resp.Header.SetContentType("text/plain; charset=utf-8")
	resp.Header.Set(fasthttp.HeaderRetryAfter, strconv.Itoa(retryAfter))
	resp.Header.SetConnectionClose()
	resp.SetBodyString(f.label + ": " + f.text + "\n")
	var b bytes.Buffer
	resp.WriteTo(&b) // a buffer takes everything
	return b.Bytes()
}
