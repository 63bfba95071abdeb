package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/ws"
)

// The paths of sessions are those of the service that this one replaces.
const (
	sessionPrefix = "/poc/" // refusals below it are JSON
	submitPath    = "/poc/submit_update_event"
	latestPrefix  = "/poc/replay_event_data/"
	socketPrefix  = "/ws/"

	latestMethods = "GET, OPTIONS"
	eventIDHeader = "X-Event-Id" // of the answer to a submission
)

// routeSessions serves the paths of sessions, and reports whether path is one.
func (s *Server) routeSessions(ctx *fasthttp.RequestCtx, path []byte) bool {
	switch {
	case string(path) == submitPath:
		s.withCORS(ctx, ingestMethods, s.submit)
	case bytes.HasPrefix(path, []byte(latestPrefix)):
		s.withCORS(ctx, latestMethods, s.latest)
	case bytes.HasPrefix(path, []byte(socketPrefix)):
		if !ctx.IsGet() {
			s.rejectMethod(ctx, "GET")
			return true
		}
		s.ofClient(ctx, s.socket, func() { s.reject(ctx, reasonClientConnections) })
	default:
		return false
	}
	return true
}

// A submission is the body of a POST to submitPath. What is not a string stops the
// decoding, and null is as if it were not there.
type submission struct {
	Username   string  `json:"username"`
	CardID     string  `json:"cardId"`
	Data       string  `json:"data"`
	PracticeID string  `json:"practiceId"`
	Action     *string `json:"action"`
	Type       *string `json:"type"`
	TargetUser string  `json:"targetUser"`
}

// submit serves POST /poc/submit_update_event: the event is stored, published,
// and then answered.
func (s *Server) submit(ctx *fasthttp.RequestCtx) {
	body, ok := s.takeEvent(ctx)
	if !ok {
		return
	}
	e, reason, ok := parseSubmission(body)
	if !ok {
		s.reject(ctx, reason)
		return
	}
	s.options.Sessions.Submit(e)
	s.counters.bytes.Add(uint64(len(body)))
	ctx.Response.Header.Set(eventIDHeader, e.ID)
	ctx.Response.Header.SetCanonical(exposeEventID.key, exposeEventID.value)
}

// parseSubmission makes an event of valid JSON. The decoder is the standard
// library's, which is slow and takes anything.
func parseSubmission(body []byte) (session.Event, Reason, bool) {
	if bytes.TrimLeft(body, space)[0] != '{' {
		return session.Event{}, reasonNotObject, false
	}
	var in submission
	if err := json.Unmarshal(body, &in); err != nil {
		return session.Event{}, reasonOfField(err), false
	}
	e := session.Event{
		ID: session.NewID(), At: time.Now().UnixMilli(),
		Source: in.Username, Target: in.CardID, Data: in.Data,
		Practice: in.PracticeID, TargetUser: in.TargetUser,
		Action: or(in.Action, session.Updating), Type: or(in.Type, session.UserSession),
	}
	switch {
	case !session.ValidName(e.Source):
		return e, reasonUsername, false
	case !session.ValidName(e.Target):
		return e, reasonCardID, false
	case len(e.Practice) > session.MaxName:
		return e, reasonPractice, false
	case len(e.TargetUser) > session.MaxName:
		return e, reasonTargetUser, false
	case e.Action != session.Updating && e.Action != session.Viewing:
		return e, reasonAction, false
	case e.Type != session.UserSession && e.Type != session.DataNotification:
		return e, reasonEventType, false
	}
	return e, 0, true
}

func or(given *string, otherwise string) string {
	if given == nil {
		return otherwise
	}
	return *given
}

// reasonOfField tells which member has the wrong type.
func reasonOfField(err error) Reason {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return reasonInvalidJSON // too deep for the decoder
	}
	switch wrong.Field {
	case "username":
		return reasonUsername
	case "cardId":
		return reasonCardID
	case "data":
		return reasonData
	case "practiceId":
		return reasonPractice
	case "action":
		return reasonAction
	case "type":
		return reasonEventType
	case "targetUser":
		return reasonTargetUser
	}
	return reasonNotObject
}

// latestEvents is the answer of GET /poc/replay_event_data/{userId}. What is not
// stored is not there.
type latestEvents struct {
	View   *session.Event `json:"lastViewEvent,omitempty"`
	Update *session.Event `json:"lastUpdateEvent,omitempty"`
}

// latest serves GET /poc/replay_event_data/{userId}.
func (s *Server) latest(ctx *fasthttp.RequestCtx) {
	user, ok := name(bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte(latestPrefix)))
	if !ok {
		s.reject(ctx, reasonUserPath)
		return
	}
	var answer latestEvents
	for _, e := range s.options.Sessions.Latest(user) {
		e.Origin = ""
		if e.Action == session.Viewing {
			answer.View = &e
		} else {
			answer.Update = &e
		}
	}
	writeJSON(ctx, answer)
}

// name decodes a segment of a path that names a user or a practice.
func name(segment []byte) (string, bool) {
	decoded, err := url.PathUnescape(string(segment))
	return decoded, err == nil && session.ValidName(decoded) && !bytes.ContainsRune(segment, '/')
}

// socket serves GET /ws/{practiceId}/{username}.
func (s *Server) socket(ctx *fasthttp.RequestCtx) {
	first, second, found := bytes.Cut(bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte(socketPrefix)), []byte{'/'})
	if !found {
		s.reject(ctx, reasonNotFound)
		return
	}
	practice, ok1 := name(first)
	user, ok2 := name(second)
	if !ok1 || !ok2 {
		s.reject(ctx, reasonUserPath)
		return
	}
	handshake, ok := s.handshake(ctx)
	if !ok {
		return
	}
	if !s.mayOpenSockets(&ctx.Request.Header) {
		s.reject(ctx, reasonOrigin)
		return
	}
	replay := string(ctx.QueryArgs().Peek("replay")) != "0"
	ticket, err := s.options.Sessions.Admit(practice, user, replay, handshake)
	switch {
	case s.draining.Load() || errors.Is(err, ws.ErrDraining):
		if err == nil {
			ticket.Forget()
		}
		s.reject(ctx, reasonDraining)
	case err != nil:
		s.reject(ctx, reasonSockets)
	default:
		s.takeOver(ctx, ticket.Forget, ticket.Serve)
	}
}

// handshake checks an upgrade, and answers if there is none.
func (s *Server) handshake(ctx *fasthttp.RequestCtx) (ws.Handshake, bool) {
	h, err := ws.ParseHandshake(&ctx.Request.Header)
	if err == nil {
		return h, true
	}
	reason := reasonHandshake
	switch {
	case errors.Is(err, ws.ErrNoUpgrade):
		reason = reasonUpgrade
		ctx.Response.Header.Set(fasthttp.HeaderUpgrade, "websocket")
	case errors.Is(err, ws.ErrVersion):
		reason = reasonSocketVersion
		ctx.Response.Header.Set(fasthttp.HeaderSecWebSocketVersion, "13")
	}
	s.reject(ctx, reason)
	return h, false
}

// mayOpenSockets is the check of the origin: a WebSocket is not subject to CORS,
// so that without it any page could act as the user whose browser shows it. What
// is no browser says no origin.
func (s *Server) mayOpenSockets(h *fasthttp.RequestHeader) bool {
	origin := strings.ToLower(string(h.Peek(fasthttp.HeaderOrigin)))
	if origin == "" || slices.Contains(s.options.SocketOrigins, "*") || slices.Contains(s.options.SocketOrigins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, string(h.Host()))
}
