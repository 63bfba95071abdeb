package ingest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/bucket"
	"event-dispatcher/transport/client"
	"event-dispatcher/transport/ingest/inflate"
	"event-dispatcher/transport/refusal"
)

// limited is players, and a limit of so many events that does not grow again while a
// test runs.
func limited(t *testing.T, events int) *Players {
	t.Helper()
	players := newPlayers(newLog(t, broker.Options{}))
	limit := bucket.New(1e-9, events)
	players.rates = client.NewRates(0, 0, players.addresses, func(*fasthttp.RequestCtx) *bucket.Bucket { return limit })
	return players
}

func newLog(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	log, err := broker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

const ndjson = "Content-Type: application/x-ndjson"

// A client that asks before it sends its batch is not counted twice.
func TestTheEventThatWasCountedBeforeTheBodyIsNotCountedAgain(t *testing.T) {
	t.Parallel()
	players := limited(t, 5)
	request := newPost("/metrics", strings.Repeat("{}\n", 5), ndjson, "Expect: 100-continue")
	if reason, ok := players.BeforeBody(&request.ctx); !ok {
		t.Fatalf("BeforeBody = %v; want that the body may come", reason)
	}
	if status := request.to(players.PostAny); status != 200 {
		t.Errorf("a batch of 5 with a limit of 5 is answered %d %s; want 200", status, request.ctx.Response.Body())
	}
}

// Of two million events of a byte, which are 4 KB when they are compressed, most stay out.
func TestABatchIsBoundedInEvents(t *testing.T) {
	t.Parallel()
	players := newPlayers(newLog(t, broker.Options{}))
	const beyond = `"rejected":[{"index":131072,"reason":"too_large"}],"rejected_count":1}`
	for more, want := range []string{`"rejected":[],"rejected_count":0}`, beyond, beyond} {
		request := newPost("/metrics", strings.Repeat("0\n", maxEvents+more), ndjson)
		status := request.to(players.PostAny)
		if got := strings.TrimSpace(string(request.ctx.Response.Body())); status != 200 || got != fmt.Sprintf(`{"accepted":%d,%s`, maxEvents, want) {
			t.Errorf("%d events are answered %d %s; want 200 and %s", maxEvents+more, status, got, want)
		}
	}
}

// Nothing but blanks is work, too: it costs what as many of the largest events do.
func TestABatchOfBlanksIsPaidFor(t *testing.T) {
	t.Parallel()
	players := limited(t, 10)
	body := strings.Repeat("\n", 4*players.maxBody)
	for n, want := range []int{400, 400, 429, 429} { // 4 of 10, 8, and then 2 more, which is all
		if status := newPost("/metrics", body, ndjson).to(players.PostAny); status != want {
			t.Errorf("batch %d of blanks is answered %d; want %d", n, status, want)
		}
	}
}

// What is no array is looked through, and paid for as what is one.
func TestABodyThatIsNoArrayIsPaidFor(t *testing.T) {
	t.Parallel()
	players := limited(t, 20) // of which it costs 16
	body := `{"a":[` + strings.Repeat("[],", 4<<20/3-10) + "1]}"
	for n, want := range []int{400, 429} {
		if status := newPost("/metrics?batch=array", body).to(players.PostAny); status != want {
			t.Errorf("time %d: %d; want %d", n, status, want)
		}
	}
}

// A compressed body is paid for before it is unpacked, by what came, whatever comes out.
func TestACompressedBodyIsPaidForBeforeItIsUnpacked(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 10*packedEvent)
	for _, path := range []string{"/metrics", "/metrics?batch=lines"} {
		players := limited(t, 15) // of which it costs 10
		for n, want := range []int{400, 429} {
			if status := newPost(path, body, "Content-Encoding: gzip").to(players.PostAny); status != want {
				t.Errorf("%s, time %d: %d; want %d", path, n, status, want)
			}
		}
	}
}

// Blocks that may keep the decoder busy for microseconds each are paid for, however small.
func TestBlocksOfZstandardArePaidFor(t *testing.T) {
	t.Parallel()
	block := "\x14\x00\x00xy" // compressed, of two bytes
	body := "\x28\xb5\x2f\xfd\x00\x58" + strings.Repeat(block, 10*packedBlocks)
	players := limited(t, 15) // of which it costs 10
	for n, want := range []int{400, 429} {
		if status := newPost("/metrics", body, "Content-Encoding: zstd").to(players.PostAny); status != want {
			t.Errorf("time %d: %d; want %d", n, status, want)
		}
	}
}

// A small body is unpacked while larger ones have all of their decoders.
func TestASmallBodyDoesNotWaitForLargeOnes(t *testing.T) {
	t.Parallel()
	players := limited(t, 10)
	for range runtime.GOMAXPROCS(0) {
		busy, err := players.large.Inflate(inflate.Identity, []byte("1"), 1)
		if err != nil {
			t.Fatal(err)
		}
		defer busy.Release()
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte("1"))
	w.Close()
	if status := newPost("/metrics", b.String(), "Content-Encoding: gzip").to(players.PostAny); status != 200 {
		t.Errorf("a small body is answered %d; want 200", status)
	}
}

// An event is not paid for twice, as one and as a part of the bytes.
func TestACompressedBatchIsPaidForOnce(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(strings.Repeat("1\n", 10) + strings.Repeat(" ", 4*packedEvent)))
	w.Close()
	players := limited(t, 10)
	request := newPost("/metrics", b.String(), ndjson, "Content-Encoding: gzip")
	if status := request.to(players.PostAny); status != 200 {
		t.Errorf("a batch of 10 with a limit of 10 is answered %d %s; want 200", status, request.ctx.Response.Body())
	}
}

// If nothing came in and trying again helps, the answer says when.
func TestABatchBeyondTheRateIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		status     int
		retryAfter string
		want       string
	}{
		{"some come in", strings.Repeat("{}\n", 10), 200, "", `{"accepted":5,"rejected":[{"index":5,"reason":"client_limit"}`},
		{"none does, and the rest may later", strings.Repeat("x\n", 5) + strings.Repeat("{}\n", 5), 429, "1", `{"accepted":0,"rejected":[{"index":0,"reason":"invalid_json"`},
		{"none ever will", strings.Repeat("x\n", 5), 400, "", `{"accepted":0,"rejected":[{"index":0,"reason":"invalid_json"`},
	} {
		request := newPost("/metrics", tt.body, ndjson)
		status := request.to(limited(t, 5).PostAny)
		resp := &request.ctx.Response
		if got := string(resp.Header.Peek("Retry-After")); status != tt.status || got != tt.retryAfter || !strings.HasPrefix(string(resp.Body()), tt.want) {
			t.Errorf("%s: %d, Retry-After %q, %s; want %d, %q, %s...", tt.name, status, got, resp.Body(), tt.status, tt.retryAfter, tt.want)
		}
	}
}

func TestEventsOfABatchOfWhichNoneMayComeInAreReceived(t *testing.T) {
	t.Parallel()
	players := limited(t, 4)
	for i, want := range []int{200, 429} {
		if status := newPost("/metrics", "1\n2\n3\n", ndjson).to(players.PostAny); status != want {
			t.Errorf("batch %d of 3 with a limit of 4 is answered %d; want %d", i, status, want)
		}
	}
	if n := players.received.Load(); n != 6 {
		t.Errorf("%d events are received; want 6", n)
	}
}

// A sender that has a rate of its own is told that this is the one.
func TestABatchBeyondTheRateOfItsTokenSaysSo(t *testing.T) {
	t.Parallel()
	request := newPost("/metrics", strings.Repeat("{}\n", 10), ndjson)
	request.to(limited(t, 5).PostAny)
	body := string(request.ctx.Response.Body())
	if n := strings.Count(body, `"reason":"client_limit"`); n != 5 {
		t.Errorf("a batch of 10 with a limit of 5 is answered %s; want 5 times client_limit", body)
	}
}

// What the ring does not take is counted like what was refused before.
func TestAnEventThatTheRingDoesNotTakeIsCounted(t *testing.T) {
	t.Parallel()
	players := newPlayers(newLog(t, broker.Options{MaxEvent: 4096}))
	request := newPost("/metrics", fmt.Sprintf("\xff\n{}\n%q\n{}\n", strings.Repeat("x", 8000)), ndjson)
	status := request.to(players.PostAny)
	const want = `{"accepted":2,"rejected":[{"index":0,"reason":"invalid_utf8","offset":0},{"index":2,"reason":"too_large"}],"rejected_count":2}` + "\n"
	if got := string(request.ctx.Response.Body()); status != 200 || got != want {
		t.Fatalf("%d %s; want 200 %s", status, got, want)
	}
	if n := players.counts.rejected[refusal.TooLarge].Load(); n != 1 {
		t.Errorf("rejected for their size: %d; want 1", n)
	}
	if n := players.counts.bytes.Load(); n != 4 {
		t.Errorf("%d bytes are accepted; want 4, of two events", n)
	}
}

// A run ends after so many events or bytes, so that the first events of a large batch
// can be read before its last is looked at.
func TestARunIsBoundedInEventsAndBytes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		size   int
		events int // with the last of which the run is published
	}{
		{"events", 16, maxRunEvents},
		{"bytes", 10 << 10, maxRunBytes/(10<<10) + 1},
	} {
		log := newLog(t, broker.Options{})
		var ctx fasthttp.RequestCtx
		ctx.Init(new(fasthttp.Request), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
		b := new(batch)
		b.begin(newPlayers(log), &ctx, false)
		event := []byte(`"` + strings.Repeat("x", tt.size-2) + `"`)
		for n := range 2 * tt.events {
			if got, want := log.Stats().Published, n/tt.events*tt.events; got != uint64(want) {
				t.Errorf("%s: of %d events, in runs of %d, %d are published; want %d", tt.name, n, tt.events, got, want)
			}
			b.seen++
			b.take(event)
		}
		if got := log.Stats().Published; got != uint64(2*tt.events) {
			t.Errorf("%s: %d events are published by two runs of %d; want all", tt.name, got, tt.events)
		}
	}
}

// The worst is what passes with time; an answer for it tells the sender to try again.
func TestTheWorstOfABatchIsWhatPasses(t *testing.T) {
	t.Parallel()
	for r := range refusal.Count {
		for _, first := range []refusal.Reason{refusal.InvalidJSON, refusal.ClientLimit, refusal.Overloaded} {
			var v verdict
			v.reject(0, first, -1, "")
			v.reject(1, r, -1, "")
			want := first
			if !first.Passes() && r.Passes() {
				want = r
			}
			if v.worst != want {
				t.Errorf("the worst of %v and %v is %v; want %v", first, r, v.worst, want)
			}
		}
	}
}
