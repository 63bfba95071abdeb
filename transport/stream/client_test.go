package stream

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
	"event-dispatcher/transport/wire"
)

// An event of the tests says who published it as which, and carries padding that
// shows where it was torn.
type event struct {
	shard    int
	producer int    // 0: number is the sequence in the shard
	number   uint64 // grows within shard and producer
	size     int    // of the padding
}

// appendFrame appends an event as it stands in the ring.
func appendFrame(dst []byte, e event) []byte {
	return wire.Format{}.AppendEvent(dst, appendEvent(nil, e))
}

// opening is what streams of the tests begin with.
var opening = wire.Format{}.AppendOpening(nil, "")

func appendEvent(dst []byte, e event) []byte {
	dst = fmt.Appendf(dst, `{"shard":%d,"producer":%d,"number":%d,"size":%d,"pad":"`, e.shard, e.producer, e.number, e.size)
	letter := 'a' + byte(e.number%26)
	for range e.size {
		dst = append(dst, letter)
	}
	return append(dst, `"}`...)
}

// publishNoise publishes an event, of twice so many bytes, that compresses badly.
func (r *rig) publishNoise(shard int, random *rand.Rand, size int) {
	s := &r.shards[shard]
	s.Lock()
	defer s.Unlock()
	noise := make([]byte, size)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	frame := wire.Format{}.AppendEvent(nil, fmt.Appendf(nil, `{"shard":%d,"producer":0,"number":%d,"noise":"%x"}`, shard, s.next, noise))
	r.put(shard, frame)
	s.next++
}

// parseEvent reads one back; ok is false if a single byte is not as it was published.
// A shape that has all members has them in the order of their names.
func parseEvent(data []byte) (e event, ok bool) {
	field := func(name string) (n uint64) {
		_, tail, _ := bytes.Cut(data, []byte(`"`+name+`":`))
		n, _ = strconv.ParseUint(string(tail[:max(0, bytes.IndexAny(tail, ",}"))]), 10, 64)
		return n
	}
	e = event{shard: int(field("shard")), producer: int(field("producer")), number: field("number"), size: int(field("size"))}
	if e.size > len(data) {
		return e, false
	}
	if bytes.Contains(data, []byte(`"noise":`)) {
		return e, true
	}
	whole := appendEvent(nil, e)
	_, pad, _ := bytes.Cut(whole[:len(whole)-1], []byte(`"pad":`))
	shaped := fmt.Appendf(nil, `{"number":%d,"pad":%s,"producer":%d,"shard":%d,"size":%d}`, e.number, pad, e.producer, e.shard, e.size)
	return e, bytes.Equal(whole, data) || bytes.Equal(shaped, data)
}

// books are what a client has seen.
type books struct {
	received, skipped uint64
	notices           int
	keepAlives        []uint64 // for each, how many events came before it
	retries           int
	pongs             int
	noticed           uint64   // skipped, by what a consumer that asked for notices gets besides
	ids               []string // places to resume from
	bytes             uint64
	opened            bool   // NDJSON: the first line was seen
	complete          bool   // the end of the body was seen
	partial           bool   // in the middle of something
	wrong             string // the first thing that must not be
	end               error  // io.EOF after a clean end
}

// A client reads a stream and keeps its books.
type client struct {
	conn    *net.TCPConn
	format  wire.Format
	selects bool // not every event is for it
	shards  broker.ShardSet
	joined  uint64         // sum of the sequences when its stream was opened
	first   map[int]uint64 // by shard: sequence when its stream was opened
	chunk   int            // bytes per read
	pause   func()         // before each read
	gate    sync.Mutex     // held while it does not read
	shut    atomic.Bool    // the test holds gate, not the reader that passes it
	done    chan struct{}  // closed when its stream has ended

	mu   sync.Mutex
	seen books
	last map[[2]int]uint64 // number of the last event, by shard and producer
	gaps uint64            // sequences left out so far
	atID uint64            // received and skipped before the last id
	raw  []byte            // not taken yet
}

type joinOptions struct {
	shards  broker.ShardSet // zero means all
	view    view.View       // but for the shards
	buffer  int             // of the sockets, in bytes; zero means the system's
	chunk   int             // bytes per read; zero means many
	pause   func()          // before each read
	stalled bool            // reads nothing until resume
}

// join opens a stream.
func (r *rig) join(o joinOptions) *client {
	r.t.Helper()
	if o.shards == 0 {
		o.shards = r.broker.AllShards()
	}
	o.view.Shards = o.shards
	return r.serve(r.admit(o.view), o)
}

// admit reserves a place.
func (r *rig) admit(v view.View) Ticket {
	r.t.Helper()
	ticket, err := r.pool.Admit(v)
	if err != nil {
		r.t.Fatalf("Admit() = %v; want nil", err)
	}
	return ticket
}

func (r *rig) serve(ticket Ticket, o joinOptions) *client {
	r.t.Helper()
	c := &client{format: ticket.want.view.Format, selects: ticket.want.view.Select != nil || ticket.want.view.Pace.Every > 0, shards: ticket.want.view.Shards, chunk: o.chunk, pause: o.pause, done: make(chan struct{}),
		first: map[int]uint64{}, last: map[[2]int]uint64{}}
	i := 0
	for shard := range c.shards.All() {
		c.first[shard] = ticket.cursors[i].Sequence()
		c.joined += c.first[shard]
		i++
	}
	if c.chunk == 0 {
		c.chunk = 64 << 10
	}
	var server *net.TCPConn
	c.conn, server = r.connect(o.buffer)
	if o.stalled {
		c.stall()
	}
	go c.read()
	r.t.Cleanup(func() {
		c.conn.Close()
		c.resume() // a reader that stalls must end
		<-c.done
	})
	ticket.Serve(server, ticket.AppendOpening(nil, ""))
	return c
}

// connect makes a connection over loopback, with buffers of that many bytes
// between the two, or the system's.
func (r *rig) connect(buffer int) (near, far *net.TCPConn) {
	r.t.Helper()
	r.joining.Lock()
	defer r.joining.Unlock()
	conn, err := dialer(buffer).Dial("tcp", r.ln.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	accepted, err := r.ln.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	near, far = conn.(*net.TCPConn), accepted.(*net.TCPConn)
	if buffer > 0 {
		near.SetReadBuffer(buffer)
		far.SetWriteBuffer(buffer)
	}
	return near, far
}

func (c *client) awaitGate() {
	c.gate.Lock()
	defer c.gate.Unlock()
}

func (c *client) stall() {
	c.gate.Lock()
	c.shut.Store(true)
}

func (c *client) resume() {
	if c.shut.Swap(false) {
		c.gate.Unlock()
	}
}

// books is what the client has seen so far.
func (c *client) books() books {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.seen
	seen.keepAlives = append([]uint64(nil), seen.keepAlives...)
	seen.partial = len(c.raw) > 0
	return seen
}

// wantEnd waits for the end of the stream: EOF after the end of the body.
func (c *client) wantEnd(t testing.TB) {
	t.Helper()
	<-c.done
	if got := c.books(); got.end != io.EOF || got.partial || !got.complete || got.wrong != "" {
		t.Errorf("stream ended with %v, in the middle of something %v, complete %v, wrong %q; want EOF, false, true, none", got.end, got.partial, got.complete, got.wrong)
	}
}

// awaitEvents waits until the client has received so many.
func (c *client) awaitEvents(t testing.TB, n uint64) {
	t.Helper()
	eventually(t, func() string {
		got := c.books()
		if got.wrong != "" {
			t.Fatal(got.wrong)
		}
		if got.received < n {
			return fmt.Sprintf("received %d; want %d (ended: %v)", got.received, n, got.end)
		}
		return ""
	})
}

func (c *client) read() {
	defer close(c.done)
	if c.format.Encoding == wire.Gzip {
		c.readGzip()
		return
	}
	buf := make([]byte, c.chunk)
	for {
		n, err := c.receive(buf)
		c.mu.Lock()
		c.take(buf[:n])
		c.seen.end = err
		c.mu.Unlock()
		if err != nil {
			c.conn.Close()
			return
		}
	}
}

// receive is a read from the connection.
func (c *client) receive(buf []byte) (int, error) {
	if c.pause != nil {
		c.pause()
	}
	c.awaitGate()
	return c.conn.Read(buf)
}

func (c *client) takeEvent(data []byte) {
	e, ok := parseEvent(data)
	first, mine := c.first[e.shard]
	switch {
	case !ok:
		c.complain("torn event %.200q", data)
	case !mine:
		c.complain("event %+v of a shard that was not asked for", e)
	}
	key := [2]int{e.shard, e.producer}
	last, again := c.last[key]
	switch {
	case again && e.number <= last:
		c.complain("event %+v after number %d", e, last)
	case e.producer == 0:
		// The number is the sequence, so what is missing is known: it was
		// told before, and with one shard to the number.
		next := first
		if again {
			next = last + 1
		}
		if e.number < next {
			c.complain("event %+v is older than the stream, which begins at %d", e, next)
		}
		c.gaps += e.number - next
		if c.selects {
			break // what is left out may have been passed over
		}
		if c.gaps > c.seen.skipped || c.shards.Len() == 1 && c.gaps != c.seen.skipped {
			c.complain("event %+v: %d left out so far; told of %d", e, c.gaps, c.seen.skipped)
		}
	}
	c.last[key] = e.number
	c.seen.received++
}

func (c *client) complain(format string, args ...any) {
	if c.seen.wrong == "" {
		c.seen.wrong = fmt.Sprintf("after %d events: ", c.seen.received) + fmt.Sprintf(format, args...)
	}
}

func TestParserFindsWhatMustNotBe(t *testing.T) {
	t.Parallel()
	frame := func(number uint64) string {
		return string(appendFrame(nil, event{number: number, size: 5}))
	}
	chunk := func(body string) string { return string(wire.AppendChunk(nil, []byte(body))) }
	for _, tt := range []struct {
		name, stream, wrong string
	}{
		{"all that is allowed", string(opening) + frame(3) + chunk(":\n") + chunk(": skipped 2\n") + frame(6) + chunk("retry: 1000\n") + "0\r\n\r\n", ""},
		{"half an event, then a notice", frame(3)[:20] + chunk(": skipped 2\n") + frame(4) + frame(5), "ends with"},
		{"half an event, then an event", frame(3)[:30] + frame(4), "ends with"},
		{"an event without its end", chunk(strings.TrimSuffix(frame(3)[8:], "\n\r\n")), "torn"},
		{"a notice that is a message", chunk(":\n\n"), "empty line"},
		{"a duplicate", frame(3) + frame(3), "after number"},
		{"an event that was there before", frame(2), "older"},
		{"a gap that was not told", frame(3) + frame(5), "left out"},
		{"a gap that was told wrongly", frame(3) + chunk(": skipped 3\n") + frame(5), "left out"},
		{"a gap told too late", frame(3) + frame(5) + chunk(": skipped 1\n"), "left out"},
		{"a wrong byte", strings.Replace(frame(3), "ddd", "dxd", 1), "torn"},
		{"an event behind the end", frame(3) + "0\r\n\r\n" + frame(4), "after the end"},
	} {
		c := &client{shards: 1, first: map[int]uint64{0: 3}, last: map[[2]int]uint64{}}
		for i := range tt.stream { // byte by byte
			c.take([]byte{tt.stream[i]})
		}
		if got := c.books().wrong; (got == "") != (tt.wrong == "") || !strings.Contains(got, tt.wrong) {
			t.Errorf("%s: wrong = %q; want %q", tt.name, got, tt.wrong)
		}
	}
}
