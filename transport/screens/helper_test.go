package screens

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"event-dispatcher/broker/session"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/websocket"
	"event-dispatcher/transport/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on however slow a machine.
const patience = testkit.Patience

// A host serves a hub on a loopback port: /practice/user, as a server of HTTP would.
type host struct {
	*Hub
	service *session.Service
	store   session.Store
	t       testing.TB
	addr    string

	telling   sync.Mutex
	published []session.Event // to other instances
}

func newHost(t testing.TB, o HubOptions, grace ...time.Duration) *host {
	t.Helper()
	var so session.ServiceOptions
	if len(grace) > 0 {
		so.Grace = grace[0]
	}
	service := session.NewService(so)
	if o.Loops == nil {
		o.Loops = newLoop(t)
	}
	h := &host{Hub: NewHub(o, service), service: service, t: t}
	h.tie(&countingStore{Store: session.NewMemory(session.Options{})}, h.note)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { h.handle(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
		h.Close()
		service.Close()
	})
	return h
}

// note is told what is published.
func (h *host) note(e session.Event) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.published = append(h.published, e)
}

// A countingStore knows how many sockets it was told of.
type countingStore struct {
	session.Store
	mu      sync.Mutex
	sockets map[string]int
}

func (s *countingStore) count(practice, user string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets == nil {
		s.sockets = map[string]int{}
	}
	s.sockets[s.Practices().Fold(practice)+"/"+user] += n
}

func (s *countingStore) Join(practice, user string) bool {
	s.count(practice, user, 1)
	return s.Store.Join(practice, user)
}

func (s *countingStore) Leave(practice, user string, keep bool) bool {
	defer s.count(practice, user, -1)
	return s.Store.Leave(practice, user, keep)
}

// counted is how many sockets of a user the store counts.
func (h *host) counted(practice, user string) int {
	s := h.store.(*countingStore)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets[s.Practices().Fold(practice)+"/"+user]
}

// tie gives the host's service another store, and other instances.
func (h *host) tie(store session.Store, publish func(session.Event)) {
	h.store = store
	h.service.Tie(store, h.Hub, publish)
}

func (h *host) handle(c net.Conn) {
	br := bufio.NewReader(c)
	r, err := http.ReadRequest(br)
	if err != nil {
		c.Close()
		return
	}
	practice, user, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	hs, err := handshakeOf(r)
	if err != nil {
		h.t.Errorf("handshake: %v", err)
	}
	ticket, err := h.Admit(practice, user, r.URL.Query().Get("replay") != "0", hs)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		c.Close()
		return
	}
	early, _ := br.Peek(br.Buffered())
	ticket.Serve(c, early)
}

// A loop is one as writer loops are: it runs what is posted, in order.
type loop chan func()

func newLoop(t testing.TB) loop {
	l := make(loop, 1000)
	var running sync.WaitGroup
	running.Go(func() {
		for f := range l {
			f()
		}
	})
	t.Cleanup(func() { // after the hub's, which comes later
		close(l)
		running.Wait()
	})
	return l
}

func (l loop) Post(_ uint64, f func()) bool {
	l <- f
	return true
}

// newHub is a hub without connections.
func newHub(t testing.TB, o HubOptions) *Hub {
	service := session.NewService(session.ServiceOptions{})
	h := NewHub(o, service)
	t.Cleanup(func() {
		h.Close()
		service.Close()
	})
	return h
}

// handshakeOf is what the HTTP server makes of a request.
func handshakeOf(r *http.Request) (websocket.Handshake, error) {
	var h fasthttp.RequestHeader
	h.SetProtocol("HTTP/1.1")
	for name, values := range r.Header {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return websocket.ParseHandshake(&h)
}

// dial opens a session socket with an independent client.
func (h *host) dial(target string) *screen {
	h.t.Helper()
	s := &screen{t: h.t, pings: make(chan string, 1000)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := coder.Dial(ctx, "ws://"+h.addr+"/"+target, &coder.DialOptions{
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			s.pings <- string(payload)
			return true
		},
	})
	if err != nil {
		h.t.Fatalf("Dial(%s) = %v; want nil", target, err)
	}
	c.SetReadLimit(1 << 24)
	s.c = c
	h.t.Cleanup(func() { c.CloseNow() })
	return s
}

// submit makes an event of the given text known and returns it.
func (h *host) submit(practice, user, data string, change ...func(*session.Event)) session.Event {
	e := session.Event{
		ID: session.NewID(), Source: user, Target: "card", Data: data, Practice: practice,
		Action: session.Updating, Type: session.UserSession, At: time.Now().UnixMilli(),
	}
	for _, f := range change {
		f(&e)
	}
	h.service.Submit(e)
	return e
}

// opened is how many sockets the store counts, and have got what is replayed to them.
func (h *host) opened() (n int) {
	for _, s := range h.rooms.list() {
		s.mu.Lock()
		if s.open {
			n++
		}
		s.mu.Unlock()
	}
	return n
}

func (h *host) eventually(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("still not so after %v: %s", patience, what)
		}
	}
}

// A screen is a client.
type screen struct {
	t     testing.TB
	c     *coder.Conn
	pings chan string
}

// skipped is how many events the screen was told it missed, since last asked.
func (s *screen) skipped() (sum int) {
	for {
		select {
		case p := <-s.pings:
			n := 0
			fmt.Sscanf(p, "skipped %d", &n)
			sum += n
		default:
			return sum
		}
	}
}

// next is the next event.
func (s *screen) next() session.Event {
	s.t.Helper()
	e, err := s.read()
	if err != nil {
		s.t.Fatalf("Read() = %v; want an event", err)
	}
	return e
}

func (s *screen) read() (session.Event, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, text, err := s.c.Read(ctx)
	var e session.Event
	if err != nil {
		return e, err
	}
	if kind != coder.MessageText || json.Unmarshal(text, &e) != nil {
		s.t.Errorf("message = %v %.80q; want an event as text", kind, text)
	}
	return e, nil
}

// want reads events and compares their data.
func (s *screen) want(data ...string) {
	s.t.Helper()
	for _, d := range data {
		if e := s.next(); e.Data != d {
			s.t.Errorf("event = %+v; want data %q", e, d)
		}
	}
}

// raw opens a socket without a client's manners.
func (h *host) raw(target string) (net.Conn, *bufio.Reader) {
	h.t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /"+target+" HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		h.t.Fatalf("handshake = %v, %v; want 101", resp, err)
	}
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		h.t.Fatalf("Sec-WebSocket-Accept = %q; want that of RFC 6455, section 1.3", got)
	}
	return c, br
}

// Opcodes, with the bit that says that the frame is whole, and bounds of package websocket.
const (
	final   = wire.Final
	opText  = wire.OpText
	opClose = wire.OpClose
	opPing  = wire.OpPing
	opPong  = wire.OpPong

	maxMessage = 64 << 10
	flowBurst  = 512 << 10
)

// clientFrame is a frame as clients send it, masked with zeros.
func clientFrame(op byte, payload string) []byte {
	b := wire.AppendTextHeader(nil, len(payload))
	b[0] = op
	b[1] |= 0x80
	return append(append(b, 0, 0, 0, 0), payload...)
}

// readFrame reads one frame of a server.
func readFrame(br *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if more := map[int]int{126: 2, 127: 8}[n]; more > 0 {
		n = 0
		for range more {
			c, err := br.ReadByte()
			if err != nil {
				return 0, nil, err
			}
			n = n<<8 | int(c)
		}
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(br, payload)
	return head[0], payload, err
}
