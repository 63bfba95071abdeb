package screens

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/session"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/front"
	"event-dispatcher/transport/ingest"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/reply"
	"event-dispatcher/transport/static"
	"event-dispatcher/transport/websocket"
)

// The paths of sessions are those of the service that this one replaces.
const (
	SubmitPath   = "/poc/submit_update_event"
	LatestPrefix = "/poc/replay_event_data/"
	SocketPrefix = "/ws/"

	eventIDHeader = "X-Event-Id" // of the answer to a submission
)

// exposeEventID lets a page read the header that names its event.
var exposeEventID = reply.NewHeader(fasthttp.HeaderAccessControlExposeHeaders, eventIDHeader)

// Options is what [Screens] work with.
type Options struct {
	Sessions *session.Service
	Hub      *Hub
	Store    Store // for metrics

	// Origins are the pages that may open sockets.
	Origins access.SocketOrigins

	Gate     *access.Gate // nil: everybody may stay
	Players  *ingest.Players
	Front    *front.Front
	Refusals *refusal.Desk

	// Bodies is the budget of large submissions that wait for their user's turn. Nil: there
	// is none.
	Bodies *front.Bodies
}

// Screens has the handlers of sessions. Its methods may be called by any goroutine.
type Screens struct {
	options Options
	demo    *static.Files
	stopped atomic.Bool
}

// New returns the handlers.
func New(o Options) *Screens { return &Screens{options: o, demo: newDemo()} }

// Stop refuses further sockets: the service is shutting down.
func (s *Screens) Stop() { s.stopped.Store(true) }

// A submission is the body of a POST to SubmitPath. What is not a string stops the
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

// Submit serves POST /poc/submit_update_event: the event is stored, published,
// and then answered.
func (s *Screens) Submit(ctx *fasthttp.RequestCtx) {
	e, size, held, ok := s.accept(ctx)
	if !ok {
		return
	}
	defer s.giveBack(held)
	s.options.Sessions.Submit(e)
	s.options.Players.Accepted(size)
	ctx.Response.Header.SetContentType("text/plain; charset=utf-8") // an empty answer without one is XML to browsers
	ctx.Response.Header.Set(eventIDHeader, e.ID)
	exposeEventID.Set(&ctx.Response.Header)
}

// accept is the event of a submission, the size of its body, and what is held for it. It
// answers and reports false if the submission is refused. What inflated the body is free then:
// the event may wait for Redis.
func (s *Screens) accept(ctx *fasthttp.RequestCtx) (e session.Event, size, held int, ok bool) {
	taken, ok := s.options.Players.Take(ctx)
	if !ok {
		return session.Event{}, 0, 0, false
	}
	defer taken.Release()
	e, reason, ok := parseSubmission(taken.Body)
	if ok && !access.GrantOf(ctx).SpeaksFor(e.Source) {
		reason, ok = refusal.Subject, false
	}
	if ok {
		if held, ok = s.hold(e); !ok {
			reason = refusal.Bodies
		}
	}
	if !ok {
		s.options.Refusals.Reject(ctx, reason)
	}
	return e, len(taken.Body), held, ok
}

// largeData is the size from which on the data of a submission are in a budget of their own:
// the body that they came with may be small, as it is compressed, or given back already.
const largeData = 8 << 10

// hold takes the memory of an event from the budget, and returns how much that is; false:
// there is none left.
func (s *Screens) hold(e session.Event) (held int, ok bool) {
	n := len(e.Data)
	if n <= largeData || s.options.Bodies == nil {
		return 0, true
	}
	return n, s.options.Bodies.Take(n)
}

func (s *Screens) giveBack(held int) {
	if held > 0 {
		s.options.Bodies.Give(held)
	}
}

// parseSubmission makes an event of valid JSON. The decoder is the standard
// library's, which is slow and takes anything.
func parseSubmission(body []byte) (session.Event, refusal.Reason, bool) {
	if bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
		return session.Event{}, refusal.NotObject, false
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
		return e, refusal.Username, false
	case !session.ValidName(e.Target):
		return e, refusal.CardID, false
	case len(e.Practice) > session.MaxName:
		return e, refusal.Practice, false
	case len(e.TargetUser) > session.MaxName:
		return e, refusal.TargetUser, false
	case e.Action != session.Updating && e.Action != session.Viewing:
		return e, refusal.Action, false
	case e.Type != session.UserSession && e.Type != session.DataNotification:
		return e, refusal.EventType, false
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
func reasonOfField(err error) refusal.Reason {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return refusal.InvalidJSON // too deep for the decoder
	}
	switch wrong.Field {
	case "username":
		return refusal.Username
	case "cardId":
		return refusal.CardID
	case "data":
		return refusal.Data
	case "practiceId":
		return refusal.Practice
	case "action":
		return refusal.Action
	case "type":
		return refusal.EventType
	case "targetUser":
		return refusal.TargetUser
	}
	return refusal.NotObject
}

// latestEvents is the answer of GET /poc/replay_event_data/{userId}. What is not
// stored is not there.
type latestEvents struct {
	View   *session.Event `json:"lastViewEvent,omitempty"`
	Update *session.Event `json:"lastUpdateEvent,omitempty"`
}

// Latest serves GET /poc/replay_event_data/{userId}.
func (s *Screens) Latest(ctx *fasthttp.RequestCtx) {
	user, ok := name(bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte(LatestPrefix)))
	if !ok {
		s.options.Refusals.Reject(ctx, refusal.UserPath)
		return
	}
	if !access.GrantOf(ctx).SeesSessionsOf(user) {
		s.options.Refusals.Reject(ctx, refusal.Subject)
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
	reply.JSON(ctx, answer)
}

// serve takes the connection over. The socket is closed when what let it in ends.
func (s *Screens) serve(ctx *fasthttp.RequestCtx, ticket Ticket) {
	if s.options.Gate == nil {
		s.options.Front.TakeOver(ctx, ticket.Forget, ticket.Serve)
		return
	}
	watch, ok := s.options.Gate.Watch(access.GrantOf(ctx))
	if !ok {
		ticket.Forget()
		s.options.Refusals.Reject(ctx, refusal.Credential)
		return
	}
	ends := access.Ends(watch, websocket.ReasonExpired, websocket.ReasonRevoked)
	forget := func() { watch.Stop(); ticket.Forget() }
	s.options.Front.TakeOver(ctx, forget, ticket.EndedBy(ends, watch.Stop).Serve)
}

// name decodes a segment of a path that names a user or a practice.
func name(segment []byte) (string, bool) {
	decoded, err := url.PathUnescape(string(segment))
	return decoded, err == nil && session.ValidName(decoded) && !bytes.ContainsRune(segment, '/')
}

// Socket serves GET /ws/{practiceId}/{username}.
func (s *Screens) Socket(ctx *fasthttp.RequestCtx) {
	first, second, found := bytes.Cut(bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte(SocketPrefix)), []byte{'/'})
	if !found {
		s.options.Refusals.Reject(ctx, refusal.NotFound)
		return
	}
	practice, ok1 := name(first)
	user, ok2 := name(second)
	if !ok1 || !ok2 {
		s.options.Refusals.Reject(ctx, refusal.UserPath)
		return
	}
	// A socket shows the screens of all users of its practice.
	if g := access.GrantOf(ctx); !g.SpeaksFor(user) || !g.SeesAllSessions() {
		s.options.Refusals.Reject(ctx, refusal.Subject)
		return
	}
	handshake, reason, ok := websocket.Check(ctx)
	if ok {
		handshake.Protocol, reason, ok = access.Protocol(ctx)
	}
	if !ok {
		s.options.Refusals.Reject(ctx, reason)
		return
	}
	if !s.options.Origins.MayOpen(&ctx.Request.Header) {
		s.options.Refusals.Reject(ctx, refusal.Origin)
		return
	}
	replay := string(ctx.QueryArgs().Peek("replay")) != "0"
	ticket, err := s.options.Hub.Admit(practice, user, replay, handshake)
	switch {
	case s.stopped.Load() || errors.Is(err, ErrDraining):
		if err == nil {
			ticket.Forget()
		}
		s.options.Refusals.Reject(ctx, refusal.Draining)
	case err != nil:
		s.options.Refusals.Reject(ctx, refusal.Sockets)
	default:
		s.serve(ctx, ticket)
	}
}
