package refusal

import (
	"strconv"

	"github.com/valyala/fasthttp"
)

// A Reason says why a request was refused. It is a metric label and a log field.
type Reason uint8

// The order is that of the table below.
const (
	InvalidJSON Reason = iota
	ByteOrderMark
	EmptyBody
	InvalidUTF8
	NotObject
	NotArray
	BatchForm
	TooLarge
	Encoding
	Corrupt
	Report
	ReportsStopped
	Method
	NotFound
	Shards
	Parameter
	ViewTooLarge
	Query
	Views
	Malformed
	Incomplete
	HeadersTooLarge
	TargetTooLong
	Coding
	Timeout
	Version
	PlainHTTP
	ClientLimit
	ClientConnections
	Overloaded
	Connections
	Consumers
	Draining
	Username
	CardID
	Data
	Practice
	Action
	EventType
	TargetUser
	UserPath
	Upgrade
	SocketVersion
	Handshake
	Origin
	CredentialMissing
	Credential
	CredentialExpired
	Ticket
	Role
	Subject
	View
	Tickets
	Subprotocol
	Bodies
	Sockets
	Panic
	Count
)

// table is the short list: label, status and text of every reason. The text says
// what the client can do. It never contains anything that the client sent, nor how
// the service is configured.
var table = [Count]struct {
	label  string
	status int
	text   string
}{
	InvalidJSON:       {"invalid_json", 400, "the body is not one valid JSON value"},
	ByteOrderMark:     {"byte_order_mark", 400, "the body starts with a byte order mark: send it without"},
	EmptyBody:         {"empty_body", 400, "the body is empty"},
	InvalidUTF8:       {"invalid_utf8", 400, "the body is not valid UTF-8"},
	NotObject:         {"not_object", 400, "the event must be a JSON object; for an array of several there is ?batch=array"},
	NotArray:          {"not_array", 400, "with batch=array the body must be a JSON array"},
	BatchForm:         {"batch", 400, "the query parameter batch must be array or lines"},
	TooLarge:          {"too_large", 413, "the body is larger than the limit"},
	Encoding:          {"content_encoding", 415, "the body may be compressed once, in a coding that Accept-Encoding names, or not at all"},
	Corrupt:           {"content_corrupt", 400, "the compressed body is damaged or cut off"},
	Report:            {"cmcd", 400, "a CMCD report must be a dictionary of Structured Fields with the keys e and ts"},
	ReportsStopped:    {"cmcd_stopped", 410, "send no more CMCD reports in this session"},
	Method:            {"method", 405, "method not allowed"},
	NotFound:          {"not_found", 404, "no such path"},
	Shards:            {"shards", 400, "the query parameter shards must list existing shards, such as 0,2"},
	Parameter:         {"parameter", 400, "a query parameter is invalid"},
	ViewTooLarge:      {"view_too_large", 400, "a query parameter asks for more conditions, members, values or names than a view can have"},
	Query:             {"query", 400, "the query parameters are longer than the limit"},
	Views:             {"views", 503, "too many different views are in use; ask for one that others use, or try again later"},
	Malformed:         {"malformed", 400, "the request is not well-formed HTTP/1.1"},
	Incomplete:        {"incomplete", 400, "the connection ended before the request did"},
	HeadersTooLarge:   {"headers_too_large", 431, "the request headers are larger than the limit"},
	TargetTooLong:     {"target_too_long", 414, "the request target is larger than the limit"},
	Coding:            {"transfer_coding", 501, "use Transfer-Encoding: chunked"},
	Timeout:           {"timeout", 408, "the request did not arrive in time"},
	Version:           {"http_version", 505, "use HTTP/1.0 or 1.1"},
	PlainHTTP:         {"plain_http", 400, "this port speaks TLS: use https, or wss"},
	ClientLimit:       {"client_limit", 429, "this client sends more events, or bad tokens, than it may"},
	ClientConnections: {"client_connections", 429, "this client holds as many connections as it may: close one"},
	Overloaded:        {"overloaded", 503, "more events arrive than the service may take: send the same again after Retry-After"},
	Connections:       {"connections", 503, "too many connections: try again after Retry-After"},
	Consumers:         {"consumers", 503, "too many consumers: come again after Retry-After"},
	Draining:          {"draining", 503, "the service is shutting down: try again, another instance may answer"},
	Username:          {"username", 400, "username must be a string of 1 to 256 bytes"},
	CardID:            {"card_id", 400, "cardId must be a string of 1 to 256 bytes"},
	Data:              {"data", 400, "data must be a string"},
	Practice:          {"practice_id", 400, "practiceId must be a string of at most 256 bytes"},
	Action:            {"action", 400, "action must be UPDATING_CARD or VIEWING_CARD"},
	EventType:         {"type", 400, "type must be USER_SESSION_EVENT or DATA_NOTIFICATION_EVENT"},
	TargetUser:        {"target_user", 400, "targetUser must be a string of at most 256 bytes"},
	UserPath:          {"user_path", 400, "names in the path must have 1 to 256 bytes of UTF-8, percent-encoded where needed"},
	Upgrade:           {"upgrade_required", 426, "this path is for WebSocket"},
	SocketVersion:     {"websocket_version", 426, "only version 13 of WebSocket is spoken here"},
	Handshake:         {"handshake", 400, "Sec-WebSocket-Key must be 16 bytes in base64"},
	Origin:            {"origin", 403, "pages of this origin may not do this; use a page of the service or of an allowed origin"},
	CredentialMissing: {"credential_missing", 401, "this needs a token: send it as Authorization: Bearer"},
	Credential:        {"credential", 401, "the credentials are not known here, or were sent in more than one place"},
	CredentialExpired: {"credential_expired", 401, "the token has expired: ask for a new one"},
	Ticket:            {"ticket", 401, "the ticket is used, expired, unknown or for something else: POST /tickets gives a new one; a token belongs in Authorization: Bearer, never in the address"},
	Role:              {"role", 403, "this token does not have the role that this needs, which WWW-Authenticate names"},
	Subject:           {"subject", 403, "this token may not speak for that user"},
	View:              {"view", 403, "this token may not see any of what is asked for"},
	Tickets:           {"tickets", 429, "too many tickets wait to be used: use them, or try again later"},
	Subprotocol:       {"subprotocol", 400, "offer the subprotocol dispatcher beside the one with the ticket"},
	Bodies:            {"bodies", 503, "too many large bodies are on their way at the same time: try again later"},
	Sockets:           {"sockets", 503, "too many session sockets, or too many users are leaving: try again after Retry-After"},
	Panic:             {"panic", 500, "internal error: please report it, the service's log has the stack"},
}

// Limit are the details of TooLarge.
func Limit(bytes int) string { return "at most " + strconv.Itoa(bytes) + " bytes" }

func (r Reason) String() string { return table[r].label }

// Status is the HTTP status of the answer.
func (r Reason) Status() int { return table[r].status }

// Passes reports whether the same request may be accepted later: what refused it is a
// rate or a limit that was reached, or a shutdown. The answer says when to come again.
func (r Reason) Passes() bool {
	return r.Status() == fasthttp.StatusTooManyRequests || r.Status() == fasthttp.StatusServiceUnavailable
}

// Text says what the client can do.
func (r Reason) Text() string { return table[r].text }
