package consumer

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"event-dispatcher/bench/load/clock"
	"event-dispatcher/bench/load/event"
	"event-dispatcher/bench/load/ledger"
	"event-dispatcher/bench/load/sock"
)

const run = 42

// frame is event number seq of producer 1 as it stands in a stream.
func frame(seq uint64) string { return "data: " + body(seq) + "\n\n" }

// body is an event without its frame.
func body(seq uint64) string {
	body, _, sum := event.NewFixed(event.MinBytes).Append(nil)
	event.Tag{Run: run, Producer: 1, Sequence: seq, Length: len(body), Sum: sum}.Put(body)
	return string(body)
}

// listen opens one stream in the given role, on a server that says parts with
// a pause between them, and returns what is found when the pauses are over.
func listen(t *testing.T, head string, role Role, accepted int, pause time.Duration, parts ...string) Result {
	t.Helper()
	return listenTo(t, Options{Roles: []Role{role}}, head, accepted, pause, parts...)
}

// listenTo is listen with the options of who listens, and to whom.
func listenTo(t *testing.T, opt Options, head string, accepted int, pause time.Duration, parts ...string) Result {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	said := make(chan struct{})
	go func() {
		defer close(said)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + head))
		for _, part := range parts {
			time.Sleep(pause)
			c.Write([]byte(part))
		}
	}()
	book := new(ledger.Book)
	opt.Targets = []sock.Addr{{IP: [4]byte{127, 0, 0, 1}, Port: ln.Addr().(*net.TCPAddr).Port}}
	opt.Path, opt.Wire, opt.Sources = "/", SSE, [][4]byte{{127, 0, 0, 1}}
	opt.Uniform, opt.Run, opt.Clock, opt.Book = true, run, clock.New(), book
	c, err := New(&opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Join(5*time.Second, nil); err != nil {
		t.Fatal(err)
	}
	c.Begin(clock.Window{To: int64(time.Hour)})
	book.Start(uint64(accepted))
	book.Accept(uint64(accepted))
	<-said
	time.Sleep(100 * time.Millisecond)
	return c.Close(book.Totals())
}

// Heads of streams, with a first keep-alive.
const (
	plain  = "\r\n:\n\n"
	chunks = "Transfer-Encoding: chunked\r\n\r\n000002\r\n:\n\r\n"
)

// inChunks makes each block of a stream a chunk, and comments single lines.
func inChunks(stream string) string {
	var b strings.Builder
	for block := range strings.SplitAfterSeq(stream, "\n\n") {
		if strings.HasPrefix(block, ":") {
			block = strings.TrimSuffix(block, "\n")
		}
		if block != "" {
			fmt.Fprintf(&b, "%06x\r\n%s\r\n", len(block), block)
		}
	}
	return b.String()
}

// Another server puts its own around each event, and says more than events.
func TestEventsOfAnotherServerAreTakenOutOfTheirEnvelopes(t *testing.T) {
	t.Parallel()
	opt := Options{Roles: []Role{Sampling}, Foreign: true}
	if err := opt.Envelope.Set(`{"pub":{"data":@}}`); err != nil {
		t.Fatal(err)
	}
	around := func(seq uint64) string {
		body := strings.TrimSuffix(strings.TrimPrefix(frame(seq), "data: "), "\n\n")
		return `data: {"pub":{"data":` + body + "}}\n\n"
	}
	r := listenTo(t, opt, "\r\n", 4, 20*time.Millisecond, "\r\n", `data: {"connect":{"client":"x"}}`+"\n\n", around(1)+around(2), "data: {}\n\n", around(3)+around(4))
	if e := r.Entries[0]; e.Received != 4 || e.Unexplained() != 0 || r.Faults.Total() != 0 {
		t.Errorf("received %d, unexplained %d, faults %+v; want 4, 0, none", e.Received, e.Unexplained(), r.Faults)
	}
}

func TestCountingStreamSeesCommentsAfterASilence(t *testing.T) {
	t.Parallel()
	for _, head := range []string{plain, chunks} {
		form := func(stream string) string { return stream }
		if head == chunks {
			form = inChunks
		}
		third := form(frame(3))
		r := listen(t, head, Counting, 6, 2*time.Second, form(frame(1)+frame(2))+third[:70], third[70:], form(":\n\n: skipped 2\n\n"), form(frame(6)))
		if e := r.Entries[0]; e.Received != 4 || e.Skipped != 2 || e.Unexplained() != 0 || r.Faults.Total() != 0 {
			t.Errorf("%q: received %d, skipped %d, unexplained %d, faults %+v; want 4, 2, 0, none", head, e.Received, e.Skipped, e.Unexplained(), r.Faults)
		}
	}
}

// A server's chunks need not end where frames do.
func TestChunksOfOtherServersAreTakenAway(t *testing.T) {
	t.Parallel()
	all := frame(1) + frame(2) + frame(3)
	for _, cut := range []int{1, 60, len(frame(1)) + 50, len(all)} {
		stream := fmt.Sprintf("%x\r\n%s\r\n", cut, all[:cut])
		if cut < len(all) {
			stream += fmt.Sprintf("%X\r\n%s\r\n", len(all)-cut, all[cut:])
		}
		for _, role := range []Role{Counting, Sampling} {
			r := listen(t, chunks, role, 3, time.Millisecond, stream[:20], stream[20:], inChunks(frame(4))[:10])
			if e := r.Entries[0]; e.Received != 3 || r.Faults.Total() != 0 {
				t.Errorf("cut at %d, %v: received %d, faults %+v; want 3, none", cut, role, e.Received, r.Faults)
			}
		}
	}
}

func TestNothingOddGoesUnnoticed(t *testing.T) {
	damaged := []byte(frame(2))
	damaged[100] ^= 1
	half := frame(2)[:50]
	for _, tt := range []struct {
		name        string
		role        Role
		accepted    int
		stream      string // after the first event
		unexplained uint64
		faults      Faults
	}{
		{"nothing odd", Sampling, 3, frame(2) + frame(3), 0, Faults{}},
		{"nothing odd, counted", Counting, 3, frame(2) + frame(3), 0, Faults{}},
		{"hole", Sampling, 3, frame(3), 1, Faults{}},
		{"hole, counted", Counting, 3, frame(3), 1, Faults{}},
		{"hole told", Sampling, 3, ": skipped 1\n\n" + frame(3), 0, Faults{}},
		{"hole told, counted", Counting, 14, frame(2) + ": skipped 11\n\n" + frame(14), 0, Faults{}},
		{"hole told wrong, counted", Counting, 14, frame(2) + ": skipped 9\n\n" + frame(14), 11, Faults{Framing: 1}},
		{"half an event, counted", Counting, 2, half, 1, Faults{Framing: 1}},
		{"out of order", Sampling, 3, frame(3) + frame(2), 0, Faults{OutOfOrder: 1}},
		{"twice", Sampling, 2, frame(2) + frame(2), 1, Faults{Duplicates: 1}},
		{"damaged", Sampling, 2, string(damaged), 0, Faults{Damaged: 1}},
		{"not from here", Sampling, 2, "data: {}\n\n", 0, Faults{Damaged: 1}},
		{"broken frame", Sampling, 1, "data: {\n}\n\n", 0, Faults{Framing: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, stream := inChunks(frame(1)), inChunks(tt.stream)
			if tt.stream == half {
				stream = inChunks(frame(2))[:50]
			}
			for head, parts := range map[string][]string{plain: {frame(1), tt.stream}, chunks: {first, stream}} {
				r := listen(t, head, tt.role, tt.accepted, 30*time.Millisecond, parts...)
				if got := r.Entries[0].Unexplained(); got != tt.unexplained || r.Faults != tt.faults {
					t.Errorf("%q: unexplained %d, faults %+v; want %d, %+v", head, got, r.Faults, tt.unexplained, tt.faults)
				}
			}
		})
	}
}
