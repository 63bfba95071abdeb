//go:build unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// ears are what a client has heard so far.
type ears func() []string

// A client is a consumer's library, or a program, as docs/clients.md lists it.
type client struct {
	name   string
	query  string
	reads  func(t testing.TB, url string) ears
	socket bool // it speaks WebSocket

	// It connects again by itself, also after a clean end, with the last id.
	reconnects bool
}

var clients = []client{
	{name: "curl", reads: byCurl},
	{name: "Chromium, EventSource", query: "ids=1", reads: inPage(`new EventSource(url).onmessage = e => got.push(e.data)`), reconnects: true},
	{name: "npm eventsource", query: "ids=1", reads: byNode("eventsource"), reconnects: true},
	{name: "npm undici", query: "ids=1", reads: byNode("undici"), reconnects: true},
	{name: "npm @microsoft/fetch-event-source", query: "ids=1", reads: inPage(`import("/npm/@microsoft/fetch-event-source/lib/esm/index.js").then(m => m.fetchEventSource(url, {openWhenHidden: true, onmessage: e => { if (e.data) got.push(e.data) }, onclose: () => { throw new Error("again") }}))`), reconnects: true},
	{name: "Go github.com/r3labs/sse/v2", query: "ids=1", reads: byR3labs, reconnects: true},
	{name: "Go github.com/tmaxmax/go-sse", query: "ids=1", reads: byTmaxmax, reconnects: true},
	{name: "Go github.com/launchdarkly/eventsource", query: "ids=1", reads: byLaunchdarkly, reconnects: true},
	{name: "Python urllib", reads: byPython("plain")},
	{name: "Python requests", reads: byPython("requests")},
	{name: "Python aiohttp", reads: byPython("aiohttp")},
	{name: "Java HttpClient", query: "wire=ndjson", reads: byJava},
	{name: "Chromium, WebSocket", reads: inPage(`new WebSocket(url).onmessage = e => got.push(e.data)`), socket: true},
	{name: "npm ws", reads: byNode("ws"), socket: true},
	{name: "Go github.com/gorilla/websocket", reads: byGorilla, socket: true},
	{name: "Go github.com/coder/websocket", reads: byCoder, socket: true},
	{name: "Go github.com/gobwas/ws", reads: byGobwas, socket: true},
	{name: "Python websockets", reads: byPython("websockets"), socket: true},
}

// listens starts the client at an address.
func (c client) listens(t testing.TB, addr string) ears {
	scheme := "http://"
	if c.socket {
		scheme = "ws://"
	}
	return c.reads(t, scheme+addr+"/events?"+c.query)
}

func byNode(library string) func(testing.TB, string) ears {
	return func(t testing.TB, url string) ears {
		out, _ := running(t, ".", "node", "consume.mjs", library, url)
		return func() []string { return each[string](out) }
	}
}

func byPython(library string) func(testing.TB, string) ears {
	return func(t testing.TB, url string) ears {
		out, _ := running(t, ".", python(t), "consume.py", library, url)
		return func() []string { return each[string](out) }
	}
}

// python is one that has the libraries: Debian's, where another comes first.
var python = func(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import requests, aiohttp, websockets").Run() == nil {
			return name
		}
	}
	t.Fatal("no Python has requests, aiohttp and websockets: sh e2e/run.sh installs what these tests need")
	return ""
}

func byJava(t testing.TB, url string) ears {
	out, _ := running(t, ".", "java", "Consume.java", url)
	return func() (all []string) {
		for _, event := range each[json.RawMessage](out) {
			if !strings.HasPrefix(string(event), `{"$dispatcher":`) {
				all = append(all, string(event))
			}
		}
		return all
	}
}

func byCurl(t testing.TB, url string) ears {
	out, _ := running(t, ".", "curl", "-sN", url)
	return func() (all []string) {
		for line := range strings.Lines(out.String()) {
			if data, ok := strings.CutPrefix(line, "data: "); ok && strings.HasSuffix(data, "\n") {
				all = append(all, strings.TrimSuffix(data, "\n"))
			}
		}
		return all
	}
}

// inPage runs a script in a page of another origin, where url and got are defined.
func inPage(script string) func(testing.TB, string) ears {
	return func(t testing.TB, url string) ears {
		do := browse(t, elsewhere(t, "testdata"))
		do(fmt.Sprintf("url = %q; got = []; %s; 0", url, script), nil)
		return func() (got []string) { do("got", &got); return got }
	}
}

// script is events of all kinds: short ones, one that is longer than the buffers of
// most libraries, and texts that a careless one gets wrong.
func script(n int) (events []string) {
	for i := range n {
		events = append(events, fmt.Sprintf(`{"n":%d,"session_id":"s"}`, i))
	}
	for i, text := range []string{"für مرحبا 你好 👩‍👩‍👧", "data: x", ": comment", "  two blanks  ", `\n\n\r`, "\u2028\u0085", strings.Repeat("ü", 100_000)} {
		events = slices.Insert(events, i*n/7, fmt.Sprintf(`{"text":"%s"}`, text))
	}
	return events
}

func publish(t testing.TB, addr string, events []string) {
	t.Helper()
	for _, event := range events {
		resp, err := http.Post("http://"+addr+"/metrics", "application/json", strings.NewReader(event))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("POST %.60s = %v, %v; want 200", event, resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// got waits until a client has as many events as wanted, and holds them to be these.
func (c client) got(t testing.TB, heard ears, want []string) {
	t.Helper()
	var events []string
	eventually(t, c.name+" has all events", func() bool { events = heard(); return len(events) >= len(want) })
	for i := range want {
		if events[i] != want[i] {
			t.Fatalf("%s: event %d is %.100q; want %.100q", c.name, i, events[i], want[i])
		}
	}
	if len(events) > len(want) {
		t.Errorf("%s has %d events; want %d. The last is %.100q", c.name, len(events), len(want), events[len(events)-1])
	}
}

var consumers = regexp.MustCompile(`(?m)^dispatcher_consumers\{[^}]*\} (\d+)$`)

// consumed waits until an instance has so many streams.
func consumed(t testing.TB, addr string, want int) {
	t.Helper()
	n := 0
	defer func() {
		if n != want {
			t.Logf("%d streams are open; want %d", n, want)
		}
	}()
	eventually(t, "the streams are open", func() bool {
		n = 0
		for _, m := range consumers.FindAllStringSubmatch(get(t, addr, "/metrics"), -1) {
			var of int
			fmt.Sscan(m[1], &of)
			n += of
		}
		return n == want
	})
}

// Every client gets every event once, in order, byte by byte: directly, and through
// the proxies with the files of deploy/proxies.
func TestClientsReadEveryEvent(t *testing.T) {
	for _, way := range []string{"direct", "nginx", "haproxy", "caddy"} {
		t.Run(way, func(t *testing.T) {
			instance := start(t, 1)[0]
			addr := instance
			if begin := proxies[way]; begin != nil {
				addr = begin(t, instance).plain
			}
			heard := make([]ears, len(clients))
			for i, c := range clients {
				heard[i] = c.listens(t, addr)
			}
			consumed(t, instance, len(clients))
			events := script(200)
			publish(t, instance, events)
			for i, c := range clients {
				c.got(t, heard[i], events)
			}
		})
	}
}

// A cable is a TCP connection's way to an instance that can be cut.
type cable struct {
	addr string
	mu   sync.Mutex
	open []net.Conn
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: ln.Addr().String()}
	t.Cleanup(func() { ln.Close(); c.cut() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			c.mu.Lock()
			c.open = append(c.open, near, far)
			c.mu.Unlock()
			go func() { io.Copy(far, near); far.Close(); near.Close() }()
			go func() { io.Copy(near, bufio.NewReader(far)); far.Close(); near.Close() }()
		}
	}()
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

// Those that connect again by themselves go on where they were, when the connection is
// lost, and miss nothing.
func TestClientsGoOnWhereTheyWere(t *testing.T) {
	instance := start(t, 1)[0]
	cable := newCable(t, instance)
	events := script(100)
	var list []client
	var heard []ears
	for _, c := range clients {
		if c.reconnects {
			list, heard = append(list, c), append(heard, c.listens(t, cable.addr))
		}
	}
	consumed(t, instance, len(list))
	publish(t, instance, events[:50])
	for i, c := range list {
		c.got(t, heard[i], events[:50])
	}
	cable.cut()
	publish(t, instance, events[50:])
	for i, c := range list {
		c.got(t, heard[i], events)
	}
}

// They connect again after a clean end, too: that is how a stream ends at a deployment.
func TestClientsComeAgainAfterAShutdown(t *testing.T) {
	first, addr := startAgain(t, "127.0.0.1:0")
	var list []client
	var heard []ears
	for _, c := range clients {
		if c.reconnects {
			list, heard = append(list, c), append(heard, c.listens(t, addr))
		}
	}
	consumed(t, addr, len(list))
	send(t, addr, `{"n":1}`)
	for i, c := range list {
		c.got(t, heard[i], []string{`{"n":1,"user_ip":"127.0.0.1"}`})
	}
	first.Process.Signal(syscall.SIGTERM)
	first.Wait()
	startAgain(t, addr)
	consumed(t, addr, len(list))
	send(t, addr, `{"n":2}`)
	for i, c := range list {
		c.got(t, heard[i], []string{`{"n":1,"user_ip":"127.0.0.1"}`, `{"n":2,"user_ip":"127.0.0.1"}`})
	}
}

// docs/clients.md lists every client, and versions that are tested here.
func TestClientsAreListed(t *testing.T) {
	t.Parallel()
	text := contents(t, "../docs/clients.md")
	for _, c := range clients {
		if !strings.Contains(text, "\n| "+c.name+" | ") {
			t.Errorf("docs/clients.md has no row for %s", c.name)
		}
	}
	packages, modules := contents(t, "package.json"), contents(t, "go.mod")
	for _, row := range regexp.MustCompile(`(?m)^\| (npm|Go) (\S+) \| (\S+) \|`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(packages, fmt.Sprintf("%q: %q", row[2], row[3])) && !strings.Contains(modules, row[2]+" "+row[3]+"\n") {
			t.Errorf("docs/clients.md says %s %s; another one is tested", row[2], row[3])
		}
	}
}
