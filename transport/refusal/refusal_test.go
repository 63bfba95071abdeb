package refusal

import (
	"encoding/json"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/reply"
)

func TestEveryReasonHasALabelAStatusAndAText(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	seen := map[string]Reason{}
	for r := range Count {
		if !label.MatchString(r.String()) {
			t.Errorf("reason %d has the label %q; want a word for a metric", r, r)
		}
		if other, twice := seen[r.String()]; twice {
			t.Errorf("reasons %d and %d have the label %q", other, r, r)
		}
		seen[r.String()] = r
		if r.Status() < 400 || fasthttp.StatusMessage(r.Status()) == fasthttp.StatusMessage(0) {
			t.Errorf("%v has the status %d; want one of a refusal", r, r.Status())
		}
		if text := r.Text(); text == "" || strings.Trim(text, " .\n") != text || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%v has the text %q; want one on a line, without a full stop", r, text)
		}
	}
}

// What passes is in this list, and nothing else.
func TestWhatPassesWithTime(t *testing.T) {
	t.Parallel()
	passing := []Reason{Views, ClientLimit, ClientConnections, Overloaded, Connections, Consumers, Draining, Tickets, Bodies, Sockets}
	d := newDesk(Text)
	for r := range Count {
		want := slices.Contains(passing, r)
		if r.Passes() != want {
			t.Errorf("%v.Passes() = %v; want %v", r, r.Passes(), want)
		}
		ctx := get("/events")
		d.Reject(ctx, r)
		if got := string(ctx.Response.Header.Peek("Retry-After")); (got == "1") != want {
			t.Errorf("Retry-After of %v = %q; it passes: %v", r, got, want)
		}
	}
}

func TestAnAnswerIsTextOrJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		format      Format
		details     string
		contentType string
		body        string
	}{
		{Text, "", "text/plain; charset=utf-8", "too_large: the body is larger than the limit\n"},
		{Text, Limit(64), "text/plain; charset=utf-8", "too_large: the body is larger than the limit: at most 64 bytes\n"},
		{JSON, "", "application/json", `{"error":"too_large","message":"the body is larger than the limit"}` + "\n"},
		{JSON, Limit(64), "application/json", `{"error":"too_large","message":"the body is larger than the limit: at most 64 bytes"}` + "\n"},
	} {
		ctx := get("/events")
		newDesk(tt.format).Explain(ctx, TooLarge, tt.details)
		resp := &ctx.Response
		if resp.StatusCode() != 413 || string(resp.Header.ContentType()) != tt.contentType || string(resp.Body()) != tt.body {
			t.Errorf("Explain(TooLarge, %q) = %d %s %q; want 413 %s %q",
				tt.details, resp.StatusCode(), resp.Header.ContentType(), resp.Body(), tt.contentType, tt.body)
		}
		if got := string(resp.Header.Peek("Cache-Control")); got != "no-store" {
			t.Errorf("Cache-Control = %q; want no-store", got)
		}
	}
}

// All reasons can be said in JSON, whatever their text.
func TestEveryReasonCanBeSaidInJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(JSON)
	for r := range Count {
		ctx := get("/events")
		d.Reject(ctx, r)
		var got body
		if err := json.Unmarshal(ctx.Response.Body(), &got); err != nil || got != (body{r.String(), r.Text()}) {
			t.Errorf("the answer for %v is %q, %v", r, ctx.Response.Body(), err)
		}
	}
}

func TestABatchIsRefusedWithItsList(t *testing.T) {
	t.Parallel()
	const list = `{"accepted":0}` + "\n"
	for _, tt := range []struct {
		reason     Reason
		status     int
		retryAfter string
	}{
		{InvalidJSON, 400, ""}, {TooLarge, 400, ""}, {ClientLimit, 429, "1"}, {Overloaded, 503, "1"},
	} {
		d := newDesk(Text)
		ctx := get("/events")
		d.RejectBatch(ctx, tt.reason, []byte(list))
		resp := &ctx.Response
		if resp.StatusCode() != tt.status || string(resp.Header.Peek("Retry-After")) != tt.retryAfter ||
			string(resp.Body()) != list || string(resp.Header.ContentType()) != "application/json" {
			t.Errorf("RejectBatch(%v) = %d, Retry-After %q, %s %q; want %d, %q and the list in JSON", tt.reason,
				resp.StatusCode(), resp.Header.Peek("Retry-After"), resp.Header.ContentType(), resp.Body(), tt.status, tt.retryAfter)
		}
		if d.Total(tt.reason) != 1 {
			t.Errorf("RejectBatch(%v) counted %d; want 1", tt.reason, d.Total(tt.reason))
		}
	}
}

func TestStatusesBringTheirHeaders(t *testing.T) {
	t.Parallel()
	d := newDesk(Text)
	ctx := get("/ws")
	d.Reject(ctx, Upgrade)
	if h := &ctx.Response.Header; string(h.Peek("Upgrade")) != "websocket" || string(h.Peek("Connection")) != "Upgrade" {
		t.Errorf("the headers of 426 are %q; want Upgrade: websocket (RFC 9110, section 15.5.22)", h)
	}
	ctx = get("/events")
	d.RejectMethod(ctx, "GET, HEAD", "")
	if got := string(ctx.Response.Header.Peek("Allow")); ctx.Response.StatusCode() != 405 || got != "GET, HEAD" {
		t.Errorf("RejectMethod = %d, Allow %q; want 405 and the methods", ctx.Response.StatusCode(), got)
	}
}

func TestRefusalsAreCountedByReasonAndRoute(t *testing.T) {
	t.Parallel()
	d := newDesk(Text)
	d.Reject(get("/events"), NotFound)
	d.Note(get("/elsewhere"), NotFound)
	d.Note(get("/elsewhere"), NotFound)
	d.Counter(Connections).Add(3)
	if d.By(NotFound, 1) != 1 || d.By(NotFound, 0) != 2 || d.Total(NotFound) != 3 || d.Total(Connections) != 3 {
		t.Errorf("not found: %d on the route, %d elsewhere, %d in all; connections: %d; want 1, 2, 3; 3",
			d.By(NotFound, 1), d.By(NotFound, 0), d.Total(NotFound), d.Total(Connections))
	}
	var got []string
	for _, e := range d.Entries() {
		got = append(got, e.Reason.String())
		if (e.Last == nil) != (e.Reason == Connections) {
			t.Errorf("the last request refused for %v is %v; want one, but for what never was a request", e.Reason, e.Last)
		}
	}
	if want := []string{"not_found", "not_found", "connections"}; !slices.Equal(got, want) {
		t.Errorf("Entries() are of %q; want %q", got, want)
	}
}

// What is kept of a request says who sent it, and nothing of what it said.
func TestSeenHasNothingThatTheClientMadeUp(t *testing.T) {
	t.Parallel()
	d := newDesk(Text)
	ctx := get("/events?token=secret")
	ctx.Request.Header.SetContentType("text/plain; secret")
	ctx.Request.Header.Set("Content-Encoding", "<secret>")
	d.Reject(ctx, NotFound)
	seen := *d.Entries()[0].Last
	if seen.Method != "GET" || seen.ContentType != "text/plain" || seen.Encoding != "other" || seen.PathBytes != len("/events") || seen.QueryBytes != len("token=secret") {
		t.Errorf("seen = %+v; want GET, text/plain, other, and lengths", seen)
	}
	if text, _ := json.Marshal(seen); strings.Contains(string(text), "secret") {
		t.Errorf("seen as JSON is %s; want nothing of what the client said", text)
	}
}

func TestAPreparedAnswerIsAWholeResponse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	p := Prepare(Connections, []reply.Header{reply.NewHeader("X-Other", "1")})
	text := string(p.At(at))
	for _, line := range []string{
		"HTTP/1.1 503 Service Unavailable\r\n", "\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n", "\r\nConnection: close\r\n",
		"\r\nRetry-After: 1\r\n", "\r\nX-Other: 1\r\n", "\r\n\r\nconnections: too many connections: try again after Retry-After\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the prepared answer lacks %q:\n%s", line, text)
		}
	}
	if again := string(p.At(at.Add(time.Hour))); again == text || len(again) != len(text) {
		t.Errorf("an hour later it is\n%s\nwant another date only", again)
	}
}

// newDesk counts /events as route 1, in a format, and all else as route 0.
func newDesk(f Format) *Desk {
	return NewDesk(func(path []byte) Route {
		if string(path) == "/events" {
			return Route{1, f}
		}
		return Route{}
	})
}

func get(target string) *fasthttp.RequestCtx {
	var req fasthttp.Request
	req.SetRequestURI(target)
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
	return ctx
}
