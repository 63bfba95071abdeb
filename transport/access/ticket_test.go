package access

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// ticketFor asks for a ticket with a token.
func ticketFor(t testing.TB, g *Gate, token string) string {
	t.Helper()
	grant, r := g.ask(bearing(token), Consume)
	if r != Granted {
		t.Fatal(r)
	}
	ticket, r := g.Ticket(grant, time.Now())
	if r != Granted {
		t.Fatal(r)
	}
	return ticket
}

func TestATicketIsItsGrantOnce(t *testing.T) {
	g, _, _ := open(t, usual())
	want, _ := g.ask(bearing(tool), Consume)
	for name, show := range map[string]func(ticket string) credentials{
		"query":       func(ticket string) credentials { return credentials{query: "shards=0&token=" + ticket} },
		"subprotocol": func(ticket string) credentials { return credentials{protocols: "dispatcher, bearer." + ticket} },
		"no blank":    func(ticket string) credentials { return credentials{protocols: "bearer." + ticket + ",dispatcher"} },
	} {
		c := show(ticketFor(t, g, tool))
		if got, r := g.ask(c, Consume); got != want || r != Granted {
			t.Errorf("%s: %+v, %q; want %+v", name, got, r, want)
		}
		if _, r := g.ask(c, Consume); r != BadTicket {
			t.Errorf("%s: used twice: %q", name, r)
		}
	}
	if n := g.Stats().Tickets; n != 0 {
		t.Errorf("%d tickets wait", n)
	}
}

func TestBadTickets(t *testing.T) {
	g, _, _ := open(t, usual())
	fresh := func() string { return ticketFor(t, g, operator) }
	for name, c := range map[string]credentials{
		"as a bearer":           bearing(fresh()),
		"twice in the query":    {query: "token=" + fresh() + "&token=" + fresh()},
		"query and subprotocol": {query: "token=" + fresh(), protocols: "bearer." + fresh()},
		"with a header":         {query: "token=" + fresh(), authorization: []string{"Bearer " + operator}},
	} {
		if _, r := g.ask(c, Consume); r != BadCredential {
			t.Errorf("%s: %q", name, r)
		}
	}
	for _, need := range []Right{Publish, Operate} {
		c := credentials{query: "token=" + fresh()}
		if _, r := g.ask(c, need); r != BadTicket {
			t.Errorf("a ticket may %s: %q", need, r)
		}
		if _, r := g.ask(c, Consume); r != BadTicket {
			t.Errorf("a ticket that was shown at the wrong place is used: %q", r)
		}
	}
	if _, r := g.Ticket(g.reign.now.Load().anonymous, time.Now()); r != MissingCredential {
		t.Errorf("nobody gets a ticket: %q", r)
	}
	players, _ := g.ask(bearing(player), Publish)
	if _, r := g.Ticket(players, time.Now()); r != MissingRole {
		t.Errorf("who may not consume gets a ticket: %q", r)
	}
}

func TestATicketExpires(t *testing.T) {
	g, _, _ := open(t, usual())
	grant, _ := g.ask(bearing(tool), Consume)
	start := time.Now()
	for _, tt := range []struct {
		after time.Duration
		want  Refusal
	}{{TicketLife - 1, Granted}, {TicketLife, BadTicket}} {
		ticket, _ := g.Ticket(grant, start)
		if _, r := g.redeem([]byte(ticket), start.Add(tt.after)); r != tt.want {
			t.Errorf("after %v: %q; want %q", tt.after, r, tt.want)
		}
	}
}

func TestATicketEndsWithItsGrant(t *testing.T) {
	g, path, _ := open(t, usual())
	kept, lost := ticketFor(t, g, operator), ticketFor(t, g, tool)
	write(t, path, fmt.Sprintf("[[tokens]]\nname='operator'\nsha256=%q\nroles=['consume']\n", hexHash(operator)))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if grant, r := g.ask(credentials{query: "token=" + kept}, Consume); r != Granted || grant.Rights.Has(Operate) {
		t.Errorf("%+v, %q; want the grant as it is now", grant, r)
	}
	if _, r := g.ask(credentials{query: "token=" + lost}, Consume); r != BadTicket {
		t.Error(r)
	}
}

func TestTicketsAreBounded(t *testing.T) {
	g, _, _ := open(t, usual())
	g.tickets.max = 16
	tools, _ := g.ask(bearing(tool), Consume)
	operators, _ := g.ask(bearing(operator), Operate)
	now := time.Now()
	n := 0
	for ; n < 100; n++ {
		if _, r := g.Ticket(tools, now); r != Granted {
			break
		}
	}
	if n != 16/share {
		t.Errorf("one grant got %d tickets of %d", n, g.tickets.max)
	}
	if _, r := g.Ticket(operators, now); r != Granted {
		t.Errorf("the other got none: %q", r)
	}
	if _, r := g.Ticket(tools, now.Add(TicketLife)); r != Granted || g.tickets.len() != 1 || len(g.tickets.order) != 1 || len(g.tickets.of) != 1 {
		t.Errorf("%q; %d tickets, %d in order, %d grants; want that those that are too old make room", r, g.tickets.len(), len(g.tickets.order), len(g.tickets.of))
	}
}

// A quarter is one holder's however often the file is read, and however many JWTs its
// issuer signs for it.
func TestOneHolderHasAQuarterOfTheTickets(t *testing.T) {
	now := time.Now()
	jwt := func(subject string, n int) string {
		return signers()["EdDSA"].sign(t, good(map[string]any{"sub": subject, "jti": fmt.Sprint(n)}), nil)
	}
	file, _, _ := open(t, usual())
	issuer, _ := openIssuer(t, "", nil, "EdDSA")
	for name, tt := range map[string]struct {
		gate       *Gate
		credential func(n int) string
	}{
		"a token over reloads": {file, func(int) string { return tool }},
		"JWTs of a subject":    {issuer, func(n int) string { return jwt("one", n) }},
	} {
		g, made := tt.gate, 0
		g.tickets.max = 16
		for n := range 16 {
			grant, r := g.ask(bearing(tt.credential(n)), Consume)
			if r != Granted {
				t.Fatal(name, r)
			}
			if _, r = g.Ticket(grant, now); r == Granted {
				made++
			} else if r != TooManyTickets {
				t.Fatal(name, r)
			}
			if err := g.Reload(); err != nil {
				t.Fatal(err)
			}
		}
		if made != 16/share {
			t.Errorf("%s: %d tickets of %d; want a quarter", name, made, g.tickets.max)
		}
	}
	other, _ := issuer.ask(bearing(jwt("two", 0)), Consume)
	if _, r := issuer.Ticket(other, now); r != Granted {
		t.Errorf("another subject got none: %q", r)
	}
}

// Tickets that are used leave nothing behind while an older one waits.
func TestUsedTicketsAreForgotten(t *testing.T) {
	g, _, _ := open(t, usual())
	tools, _ := g.ask(bearing(tool), Consume)
	now := time.Now()
	waits, _ := g.Ticket(tools, now)
	for range 10_000 {
		ticket, r := g.Ticket(tools, now)
		if r != Granted {
			t.Fatal(r)
		}
		if _, r := g.redeem([]byte(ticket), now); r != Granted {
			t.Fatal(r)
		}
	}
	if n := len(g.tickets.order); n > 64 {
		t.Errorf("%d are in order where one waits", n)
	}
	if _, r := g.redeem([]byte(waits), now); r != Granted {
		t.Errorf("the one that waited: %q", r)
	}
}

func TestATicketThatManyShowIsUsedOnce(t *testing.T) {
	g, _, _ := open(t, usual())
	for range 50 {
		c := credentials{query: "token=" + ticketFor(t, g, tool)}
		var granted atomic.Int32
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				if _, r := g.ask(c, Consume); r == Granted {
					granted.Add(1)
				}
			})
		}
		work.Wait()
		if n := granted.Load(); n != 1 {
			t.Fatalf("used %d times", n)
		}
	}
}

func TestSubprotocol(t *testing.T) {
	for _, tt := range []struct{ offers, picked, ticket string }{
		{"", "", ""},
		{"dispatcher", "dispatcher", ""},
		{"dispatcher, bearer.abc", "dispatcher", "abc"},
		{"bearer.abc, dispatcher", "dispatcher", "abc"},
		{"v1.json, token.abc", "v1.json", ""},
		{"v1.json, dispatcher", "dispatcher", ""},
		{"bearer.abc", "", "abc"},
		{"bearer.", "", ""},
		{"v1 json", "", ""},
		{", ,", "", ""},
	} {
		var h fasthttp.RequestHeader
		if tt.offers != "" {
			h.Set("Sec-WebSocket-Protocol", tt.offers)
		}
		if picked, ticket := Subprotocol(&h); string(picked) != tt.picked || string(ticket) != tt.ticket {
			t.Errorf("Subprotocol(%q) = %q, %q; want %q, %q", tt.offers, picked, ticket, tt.picked, tt.ticket)
		}
	}
}
