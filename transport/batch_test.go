package transport

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/ingest"

	"event-dispatcher/transport/wire"
)

func gzipped(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, body string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(body), nil))
}

// zstdBomb is a frame that says nothing of its length: blocks of one repeated byte.
func zstdBomb(blocks int) string {
	b := []byte("\x28\xb5\x2f\xfd\x00\x38") // a window of 128 KiB
	for i := range blocks {
		header := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			header |= 1
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16), '1')
	}
	return string(b)
}

const (
	ndjson = "Content-Type: application/x-ndjson"
	isGzip = "Content-Encoding: gzip"
	isZstd = "Content-Encoding: zstd"
	isCMCD = "Content-Type: application/cmcd"
)

// headerLines are the lines of a header; "" has none.
func headerLines(header string) []string {
	if header == "" {
		return nil
	}
	return strings.Split(header, "\r\n")
}

// verdict is the answer to a batch.
type verdict struct {
	Accepted int
	Rejected []struct {
		Index  int
		Reason string
		Offset *int
		Hint   string
	}
	RejectedCount int    `json:"rejected_count"`
	Reason        string // of a batch without events
}

// said is the verdict in short: accepted, then index:reason of what was rejected.
func said(t *testing.T, a answer) string {
	t.Helper()
	if a.header.Get("Content-Type") != "application/json" {
		return a.reason()
	}
	var v verdict
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("the answer %q is no verdict: %v", a.body, err)
	}
	if v.RejectedCount < len(v.Rejected) || v.RejectedCount > len(v.Rejected) && len(v.Rejected) != 100 {
		t.Errorf("the answer lists %d of %d", len(v.Rejected), v.RejectedCount)
	}
	s := strings.TrimSuffix(fmt.Sprint(v.Accepted, " ", v.Reason), " ")
	for i, r := range v.Rejected {
		if i == 3 {
			return s + fmt.Sprintf(" ...%d", v.RejectedCount)
		}
		s += fmt.Sprintf(" %d:%s", r.Index, r.Reason)
	}
	return s
}

// Every row of the contract, and what senders get wrong.
func TestBatchesAreAnsweredByTheContract(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxBody, o.MaxBatch = 4096, 1<<20 })
	const ip = `"user_ip":"127.0.0.1"`
	good := `{"a":1}` + "\n" + `{"a":2}` + "\n"
	gz := gzipped(t, good)
	zs := zstded(t, good)
	const report = `e=t,sid="s",sta=p,ts=1764752400000,v=2`
	const reportJSON = `{"e":"t","sid":"s","sta":"p","ts":1764752400000,"v":2,` + ip + `}`
	for _, tt := range []struct {
		name   string
		target string
		body   string
		header string // lines
		status int
		said   string // of the answer
		events string // on the stream, with | between
	}{
		{"lines", "/metrics", good, ndjson, 200, "2", `{"a":1}|{"a":2}`},
		{"lines as jsonl", "/metrics", good, "Content-Type: application/jsonl; charset=utf-8", 200, "2", `{"a":1}|{"a":2}`},
		{"lines as ndjson", "/metrics", good, "Content-Type: Application/NDJSON", 200, "2", `{"a":1}|{"a":2}`},
		{"lines by the query", "/metrics?x=1&batch=lines", good, "Content-Type: text/plain", 200, "2", `{"a":1}|{"a":2}`},
		{"lines with CRLF", "/metrics", "1\r\n\r\n2\r\n", ndjson, 200, "2", `1|2`},
		{"lines without an end", "/metrics", "1\n2", ndjson, 200, "2", `1|2`},
		{"lines of objects", "/api/events", "{}\n {\"a\":1} \n{\"user_ip\":1}", ndjson, 200, "3", `{` + ip + `}|{"a":1,` + ip + `}|{` + ip + `}`},
		{"one bad line", "/metrics", "1\nx\n{\"a\":\n2", ndjson, 200, "2 1:invalid_json 2:invalid_json", `1|2`},
		{"no object", "/api/events", "{}\n1\nnull\n[]", ndjson, 200, "1 1:not_object 2:not_object 3:not_object", `{` + ip + `}`},
		{"CR alone", "/metrics", "1\r2\r{\"a\":\r1}", ndjson, 400, "0 0:invalid_json", ``},
		{"CR alone within a value", "/metrics", "{\"a\":\r1}\n2", ndjson, 200, "2", `{"a": 1}|2`},
		{"NUL", "/metrics", "1\n\x00\n2\x00\n3", ndjson, 200, "2 1:invalid_json 2:invalid_json", `1|3`},
		{"invalid UTF-8 in one", "/metrics", "1\n\"\xff\"\n2", ndjson, 200, "2 1:invalid_utf8", `1|2`},
		{"byte order mark", "/metrics", "\xEF\xBB\xBF1\n2", ndjson, 200, "1 0:byte_order_mark", `2`},
		{"two values on a line", "/metrics", "{}{}\n1", ndjson, 200, "1 0:invalid_json", `1`},
		{"nothing", "/metrics", "", ndjson, 400, "0 empty_body", ``},
		{"empty lines only", "/metrics", "\n\r\n \n", ndjson, 400, "0 empty_body", ``},
		{"no line is good", "/metrics", "x\ny", ndjson, 400, "0 0:invalid_json 1:invalid_json", ``},
		{"a line over the limit", "/metrics", "1\n\"" + strings.Repeat("x", 4096) + "\"\n2", ndjson, 200, "2 1:too_large", `1|2`},
		{"a line as long as may be", "/api/events", `{"a":"` + strings.Repeat("x", 4096-8) + `"}`, ndjson, 200, "1", `{"a":"` + strings.Repeat("x", 4096-8) + `",` + ip + `}`},
		{"one line of the whole batch", "/metrics", `"` + strings.Repeat("x", 1<<20-2) + `"`, ndjson, 400, "0 0:too_large", ``},
		{"over the limit", "/metrics", strings.Repeat("1\n", 1<<19) + "1\n", ndjson, 413, "too_large", ``},
		{"more bad ones than are listed", "/metrics", strings.Repeat("x\n", 1000) + "1", ndjson, 200, "1 0:invalid_json 1:invalid_json 2:invalid_json ...1000", `1`},

		{"array", "/metrics?batch=array", ` [1, {"a":[1,2]} ,"]"]`, "Content-Type: text/plain;charset=UTF-8", 200, "3", `1|{"a":[1,2]}|"]"`},
		{"array of objects", "/api/events?batch=array", `[{},{"a":1}]`, "", 200, "2", `{` + ip + `}|{"a":1,` + ip + `}`},
		{"array, whatever the type says", "/metrics?batch=array", `[1]`, ndjson, 200, "1", `1`},
		{"array pretty-printed", "/metrics?batch=array", "[\r\n  {\n    \"a\": 1\n  }\n]\n", "", 200, "1", `{     "a": 1   }`},
		{"array of arrays", "/metrics?batch=array", `[[1],[[2]]]`, "", 200, "2", `[1]|[[2]]`},
		{"array of arrays of objects", "/api/events?batch=array", `[[{}]]`, "", 400, "0 0:not_object", ``},
		{"one bad element", "/metrics?batch=array", `[1,tru,3]`, "", 200, "2 1:invalid_json", `1|3`},
		{"cut off", "/metrics?batch=array", `[1,{"a":`, "", 200, "1 1:invalid_json", `1`},
		{"something follows", "/metrics?batch=array", `[1]{"a":1}`, "", 200, "1 1:invalid_json", `1`},
		{"empty array", "/metrics?batch=array", `[]`, "", 400, "0 empty_body", ``},
		{"deep nesting in an array", "/metrics?batch=array", `[1,` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `]`, "", 200, "1 1:invalid_json", `1`},
		{"no array", "/metrics?batch=array", `{"a":1}`, "", 400, "not_array", ``},
		{"no JSON for an array", "/metrics?batch=array", `a=1`, "", 400, "invalid_json", ``},
		{"nothing for an array", "/metrics?batch=array", ``, "", 400, "empty_body", ``},
		{"array without being asked", "/metrics", `[1,2]`, "", 200, "", `[1,2]`},
		{"unknown batch", "/metrics?batch=yes", `[1,2]`, "", 400, "batch", ``},
		{"another parameter", "/metrics?mybatch=array", `[1,2]`, "", 200, "", `[1,2]`},

		{"gzip", "/metrics", gz, ndjson + "\r\n" + isGzip, 200, "2", `{"a":1}|{"a":2}`},
		{"zstd", "/metrics", zs, ndjson + "\r\n" + isZstd, 200, "2", `{"a":1}|{"a":2}`},
		{"gzip of one event", "/metrics", gzipped(t, "{\n\"a\":1}"), isGzip, 200, "", `{ "a":1}`},
		{"zstd of one object", "/api/events", zstded(t, `{"a":1}`), isZstd, 200, "", `{"a":1,` + ip + `}`},
		{"gzip of an array", "/metrics?batch=array", gzipped(t, `[1,2]`), isGzip, 200, "2", `1|2`},
		{"gzip of nothing", "/metrics", gzipped(t, ""), isGzip, 400, "empty_body", ``},
		{"nothing, said to be gzip", "/metrics", "", isGzip, 400, "empty_body", ``},
		{"gzip cut off", "/metrics", gz[:len(gz)-3], ndjson + "\r\n" + isGzip, 400, "content_corrupt", ``},
		{"gzip with trailing bytes", "/metrics", gz + "x", ndjson + "\r\n" + isGzip, 400, "content_corrupt", ``},
		{"gzip that is none", "/metrics", good, ndjson + "\r\n" + isGzip, 400, "content_corrupt", ``},
		{"gzip that is zstd", "/metrics", zs, ndjson + "\r\n" + isGzip, 400, "content_corrupt", ``},
		{"gzip twice", "/metrics", gzipped(t, gz), isGzip, 400, "invalid_utf8", ``},
		{"two codings", "/metrics", gz, ndjson + "\r\nContent-Encoding: gzip, gzip", 415, "content_encoding", ``},
		{"gzip bomb", "/metrics", gzipped(t, strings.Repeat("\x00", 64<<20)), ndjson + "\r\n" + isGzip, 413, "too_large", ``},
		{"gzip bomb for one event", "/metrics", gzipped(t, strings.Repeat("1", 4097)), isGzip, 413, "too_large", ``},
		{"zstd bomb", "/metrics", zstdBomb(1000), ndjson + "\r\n" + isZstd, 413, "too_large", ``},
		{"zstd window of 2 GiB", "/metrics", "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", ndjson + "\r\n" + isZstd, 400, "content_corrupt", ``},
		{"zstd cut off", "/metrics", zs[:len(zs)-3], ndjson + "\r\n" + isZstd, 400, "content_corrupt", ``},

		{"CMCD", "/cmcd", report + "\n" + report, isCMCD, 204, "", reportJSON + "|" + reportJSON},
		{"CMCD, whatever the type says", "/cmcd", report, "Content-Type: text/plain", 204, "", reportJSON},
		{"CMCD on the path of events", "/api/events", report, isCMCD, 204, "", reportJSON},
		{"CMCD on the path of metrics", "/metrics", report, "Content-Type: text/cmcd;charset=utf-8", 204, "", reportJSON},
		{"CMCD with Windows line ends", "/cmcd", "\r\n " + report + " \r\n\r\n" + report + "\r\n", isCMCD, 204, "", reportJSON + "|" + reportJSON},
		{"CMCD in gzip", "/cmcd", gzipped(t, report), isCMCD + "\r\n" + isGzip, 204, "", reportJSON},
		{"CMCD of version 3", "/cmcd", "e=ps,ts=1,v=3", isCMCD, 204, "", `{"e":"ps","ts":1,"v":3,` + ip + `}`},
		{"CMCD with an address", "/cmcd", `e=t,ts=1,user_ip="6.6.6.6"`, isCMCD, 204, "", `{"e":"t","ts":1,` + ip + `}`},
		{"CMCD with upper-case keys", "/cmcd", "E=t,TS=1\n" + report, isCMCD, 200, "1 0:cmcd", reportJSON},
		{"CMCD with a key twice", "/cmcd", "e=t,ts=1,e=ps", isCMCD, 204, "", `{"ts":1,"e":"ps",` + ip + `}`},
		{"CMCD without ts", "/cmcd", "e=t", isCMCD, 400, "0 0:cmcd", ``},
		{"CMCD over the limit", "/cmcd", report + "\ne=t,ts=1,cid=\"" + strings.Repeat("x", 4096) + `"`, isCMCD, 200, "1 1:too_large", reportJSON},
		{"CMCD with invalid UTF-8", "/cmcd", "e=t,ts=1,cid=\"\xff\"", isCMCD, 400, "0 0:invalid_utf8", ``},
		{"no CMCD", "/cmcd", `{"a":1}`, "", 400, "0 0:cmcd", ``},
		{"no record", "/cmcd", "\n\n", isCMCD, 400, "0 empty_body", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.listen("/events")
			a := s.send(request("POST", tt.target, tt.body, headerLines(tt.header)...))
			if got := said(t, a); a.status != tt.status || got != tt.said {
				t.Errorf("POST %s %.60q = %d %q; want %d %q; body %.300s", tt.target, tt.body, a.status, got, tt.status, tt.said, a.body)
			}
			if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("POST %s %.60q has Access-Control-Allow-Origin %q; want *", tt.target, tt.body, got)
			}
			if a.status == 204 && a.body != "" {
				t.Errorf("204 with the body %q", a.body)
			}
			s.post("/metrics", `"end"`)
			want := append(strings.Split(tt.events, "|"), `"end"`)
			if tt.events == "" {
				want = want[1:]
			}
			for _, want := range want {
				if got := c.event(); got != want {
					t.Fatalf("the stream has %.200s; want %.200s", got, want)
				}
			}
		})
	}
}

// A long batch arrives whole and in its order, other events perhaps between.
func TestBatchesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	const n = 100_000
	var body strings.Builder
	for i := range n {
		fmt.Fprintln(&body, i)
	}
	for _, coding := range []string{"", isGzip} {
		sent := body.String()
		headers := []string{ndjson}
		if coding != "" {
			sent, headers = gzipped(t, sent), append(headers, coding)
		}
		if got := said(t, s.send(request("POST", "/metrics", sent, headers...))); got != fmt.Sprint(n) {
			t.Fatalf("the batch is answered %q; want all accepted", got)
		}
		for i := range n {
			if got := c.event(); got != fmt.Sprint(i) {
				t.Fatalf("event %d is %s", i, got)
			}
		}
	}
}

func TestVerdictSaysWhereItGoesWrong(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.send(request("POST", "/metrics", "1\n{\"a\":tru}\n{'a':1}\n\"\xff\"", ndjson))
	for _, want := range []string{`{"index":1,"reason":"invalid_json","offset":8}`, `{"index":2,"reason":"invalid_json","offset":1,"hint":"`, `{"index":3,"reason":"invalid_utf8","offset":1}`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the answer is %s; want %s in it", a.body, want)
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxBody, o.MaxBatch = 1000, 5000 })
	for _, tt := range []struct{ body, header, want string }{
		{`{"a":tru}`, "", "at byte 8,"},
		{`{"a":`, "", "after 5 bytes"},
		{"\"a\xff\"", "", "at byte 2,"},
		{"{\"a\":1}\n{\"a\":2}\n", "", "application/x-ndjson"},
		{`event=START&t=1`, "", "form data"},
		{`{'a':1}`, "", "double quotes"},
		{"\x1f\x8b\x08\x00\x00", "", "Content-Encoding"},
		{strings.Repeat(" ", 1001), "", "at most 1000 bytes"},
		{strings.Repeat(" ", 5001), ndjson, "at most 5000 bytes"},
		{gzipped(t, strings.Repeat("1", 1001)), isGzip, "at most 1000 bytes"},
		{gzipped(t, strings.Repeat("1", 5001)), ndjson + "\r\n" + isGzip, "at most 5000 bytes"},
	} {
		if a := s.send(request("POST", "/metrics", tt.body, headerLines(tt.header)...)); a.status < 400 || !strings.Contains(a.body, tt.want) {
			t.Errorf("POST %.30q = %d %q; want %q in it", tt.body, a.status, a.body, tt.want)
		}
	}
}

// Reports may become several times what they are: what a batch of them becomes is bounded, also
// what is taken back or refused on the way.
func TestWhatABatchOfReportsBecomesIsBounded(t *testing.T) {
	t.Parallel()
	const most = 20_000
	s := start(t, func(o *setup) { o.MaxBody, o.MaxBatch = 5000, most })
	c := s.listen("/events")
	for _, record := range []string{
		"e=t,ts=1,a=(" + strings.Repeat("1;a ", 100) + "1)",       // grows
		"e=t,ts=1,a=1" + strings.Repeat(";a", 300),                // and shrinks again
		"e=t,ts=1," + strings.Repeat("a,", 300) + "a",             // the same
		"e=t,ts=1,a=(" + strings.Repeat("1;a ", 100) + "1),b=(((", // and is wrong
	} {
		batch := strings.Repeat(record+"\n", most/(len(record)+1))
		a := s.send(request("POST", "/cmcd", batch, isCMCD))
		var got struct {
			Accepted int `json:"accepted"`
			Rejected int `json:"rejected_count"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		all := strings.Count(batch, "\n")
		if got.Accepted+got.Rejected != all || !strings.Contains(a.body, `"reason":"too_large"`) {
			t.Errorf("%d reports %.30q = %d %.100q; want some too large, all accounted for", all, record, a.status, a.body)
		}
		bytes := 0
		for range got.Accepted {
			bytes += len(c.event())
		}
		if bytes > 2*most+5000 {
			t.Errorf("%d bytes of reports became %d; want %d at most", len(batch), bytes, 2*most)
		}
	}
}

// The rate of a client counts events, not requests.
func TestClientRateCountsTheEventsOfBatches(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ClientRate = 0.001 }) // one, and then none for long
	from := func(i int) string { return fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i) }
	if a := s.send(request("POST", "/metrics", "1\n2\n3", ndjson, from(1))); a.status != 200 || said(t, a) != "1 1:client_limit 2:client_limit" {
		t.Errorf("three events where one may come = %d %q; want one accepted", a.status, a.body)
	}
	for i, req := range []string{
		request("POST", "/metrics", "1\n2", ndjson, from(1)),
		request("POST", "/cmcd", "e=t,ts=1", from(1)),
		request("POST", "/metrics?batch=array", "[1]", from(1)),
		request("POST", "/metrics", "1", from(1)),
	} {
		if a := s.send(req); a.status != 429 || a.reason() != "client_limit" || a.header.Get("Retry-After") == "" || a.header.Get("Access-Control-Expose-Headers") != "Retry-After" {
			t.Errorf("request %d of a client over its limit = %d %q %v; want 429 with Retry-After that pages may read", i, a.status, a.body, a.header)
		}
	}
	if a := s.send(request("POST", "/cmcd", "e=t,ts=1", from(2))); a.status != 204 {
		t.Errorf("a report of another client = %d %q; want 204", a.status, a.body)
	}

	// Asking first changes nothing.
	conn := s.dial()
	br := bufio.NewReader(conn)
	whole := request("POST", "/metrics", "1\n2\n3", ndjson, from(3), "Expect: 100-continue")
	head, body, _ := strings.Cut(whole, "\r\n\r\n")
	io.WriteString(conn, head+"\r\n\r\n")
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("Expect: 100-continue is answered with %q, %v; want 100", line, err)
	}
	br.ReadString('\n')
	io.WriteString(conn, body)
	if a := readAnswer(t, br, "POST"); a.status != 200 || said(t, a) != "1 1:client_limit 2:client_limit" {
		t.Errorf("three events behind Expect = %d %q; want one accepted", a.status, a.body)
	}
}

// RFC 9112, section 3.2.2: the path of a target may stand behind an authority.
func TestLargeBatchesOfReportsByTheWholeAddress(t *testing.T) {
	t.Parallel()
	s := start(t)
	body := strings.Repeat("e=t,ts=1\n", 40_000) // more than an event may have
	for _, target := range []string{"/cmcd", "http://test/cmcd", "http://test/cmcd?a=://b"} {
		if a := s.send(request("POST", target, body)); a.status != 204 {
			t.Errorf("POST %s = %d %q; want 204", target, a.status, a.body)
		}
	}
}

func TestReportsCanBeStopped(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.StopReports = true })
	for _, req := range []string{request("POST", "/cmcd", "e=t,ts=1"), request("POST", "/api/events", "e=t,ts=1", isCMCD)} {
		if a := s.send(req); a.status != 410 || a.reason() != "cmcd_stopped" {
			t.Errorf("a report = %d %q; want 410", a.status, a.body)
		}
	}
	s.post("/api/events", "{}") // everything else goes on
}

func TestStampsAreAddedToObjects(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.Add = ingest.StampTime | ingest.StampID })
	c := s.listen("/events")
	const stamps = `"received_at":\d{13},"event_id":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`
	const ip = `"user_ip":"127\.0\.0\.1",`
	last := ""
	for _, tt := range []struct{ target, body, header, want string }{
		{"/metrics", `{"a":1}`, "", `{"a":1,` + stamps + `}`},
		{"/metrics", `{ }`, "", `{ ` + stamps + `}`},
		{"/metrics", `{"event_id":1,"a":2,"received_at":3}`, "", `{"a":2,` + stamps + `}`},
		{"/metrics", `[1]`, "", `\[1\]`},
		{"/api/events", `{"event_id":1,"a":2,"user_ip":3}`, "", `{"a":2,` + ip + stamps + `}`},
		{"/metrics", `{}`, ndjson, `{` + stamps + `}`},
		{"/metrics", `1`, ndjson, `1`},
		{"/api/events?batch=array", `[{"a":1}]`, "", `{"a":1,` + ip + stamps + `}`},
		{"/cmcd", `e=t,ts=1,event_id=x`, "", `{"e":"t","ts":1,` + ip + stamps + `}`},
	} {
		if a := s.send(request("POST", tt.target, tt.body, headerLines(tt.header)...)); a.status >= 300 {
			t.Fatalf("POST %s %s = %d %s", tt.target, tt.body, a.status, a.body)
		}
		got := c.event()
		if !regexp.MustCompile("^" + tt.want + "$").MatchString(got) {
			t.Errorf("POST %s %s arrives as %s; want %s", tt.target, tt.body, got, tt.want)
		}
		if id := regexp.MustCompile(`"event_id":"[^"]*"`).FindString(got); id != "" {
			if id <= last {
				t.Errorf("id %s follows %s", id, last)
			}
			last = id
		}
	}
}

// A batch is offered to a shard by its events, as if each had come alone.
func TestBatchesAreSpreadOverShards(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) {
		o.broker.Shards, o.broker.ShardKey, o.broker.Bytes, o.Add = 4, "k", 64<<20, ingest.StampID
	})
	consumers := map[string]*consumer{}
	for i := range 4 {
		consumers[fmt.Sprint(i)] = s.listen(fmt.Sprintf("/events?shards=%d", i))
	}
	const n = 1000
	var lines, reports strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "{\"k\":\"%d\",\"n\":%d}\n", i%7, i)
		fmt.Fprintf(&reports, "e=t,ts=1,k=\"%d\",n=%d\n", i%7, i)
	}
	if a := s.send(request("POST", "/api/events", lines.String(), ndjson)); said(t, a) != fmt.Sprint(n) {
		t.Fatalf("the batch is answered %s", a.body)
	}
	if a := s.send(request("POST", "/cmcd", reports.String())); a.status != 204 {
		t.Fatalf("the reports are answered %s", a.body)
	}
	seen := 0
	for shard, c := range consumers {
		s.toShard(shard)
		last := map[string]int{}
		for {
			event := c.event()
			if event == `"end"` {
				break
			}
			var e struct {
				K, EventID string
				N          int
			}
			if err := json.Unmarshal([]byte(event), &e); err != nil {
				t.Fatalf("%s on the stream of shard %s: %v", event, shard, err)
			}
			if before, ok := last[e.K]; ok && e.N <= before && e.N >= 7 {
				t.Errorf("shard %s: %d of key %s follows %d", shard, e.N, e.K, before)
			}
			last[e.K] = e.N
			seen++
		}
	}
	if seen != 2*n {
		t.Errorf("%d events arrive; want %d", seen, 2*n)
	}
}

// toShard publishes an end in a shard.
func (s *testServer) toShard(shard string) {
	s.t.Helper()
	var n int
	fmt.Sscan(shard, &n)
	end := []byte(`"end"`)
	if err := s.broker.Publish(n, 0, wire.AppendPrefix(nil, len(end)), end, wire.Suffix); err != nil {
		s.t.Fatal(err)
	}
}

// What batches and compressed bodies did shows in the metrics.
func TestBatchesAreCounted(t *testing.T) {
	t.Parallel()
	s := start(t)
	gz := gzipped(t, "1\n2\nx\n")
	s.send(request("POST", "/metrics", gz, ndjson, isGzip))
	s.send(request("POST", "/metrics?batch=array", "[1]"))
	s.send(request("POST", "/metrics?batch=array", "{}")) // no array is one event
	s.send(request("POST", "/cmcd", "e=t,ts=1,sid=\"a\",sn=0,v=3\ne=t,ts=1,sid=\"a\",sn=0\ne=t,ts=1,sid=\"a\",sn=100"))
	got := s.gather()
	for name, want := range map[string]float64{
		`events_received_total`:                     8,
		`batch_events_rejected_total{invalid_json}`: 1,
		`compressed_bytes_total{gzip}`:              float64(len(gz)),
		`inflated_bytes_total{gzip}`:                6,
		`cmcd_reports_lost_total`:                   99 - 63,
		`cmcd_reports_repeated_total`:               1,
		`cmcd_reports_newer_total`:                  1,
	} {
		if got["dispatcher_"+name] != want {
			t.Errorf("%s = %v; want %v", name, got["dispatcher_"+name], want)
		}
	}
}

// Clients that announce large batches and do not send them hold no room that others
// need.
func TestAnnouncedBatchesTakeNoRoom(t *testing.T) {
	t.Parallel()
	const large = 30 << 20
	s := start(t, func(o *setup) { o.MaxBatch = large })
	for range 8 {
		fmt.Fprintf(s.dial(), "POST /metrics HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: %d\r\n\r\n1\n", ndjson, large)
	}
	for _, req := range []string{
		request("POST", "/metrics", strings.Repeat("1\n", 100<<10), ndjson),                                              // small
		"POST /metrics HTTP/1.1\r\nHost: a\r\n" + ndjson + "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n0\r\n\r\n", // of unknown length
	} {
		if a := s.send(req); a.status != 200 {
			t.Errorf("a small batch = %d %q; want 200", a.status, a.body)
		}
	}
	// A large chunked one takes room as it comes.
	const chunk = 64 << 10
	c := s.dial()
	fmt.Fprintf(c, "POST /metrics HTTP/1.1\r\nHost: a\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n", ndjson)
	for range 10 {
		fmt.Fprintf(c, "%x\r\n%s\r\n", chunk, strings.Repeat("1234567\n", chunk/8))
	}
	fmt.Fprint(c, "0\r\n\r\n")
	if a := readAnswer(t, bufio.NewReader(c), "POST"); a.status != 200 || said(t, a) != fmt.Sprint(10*chunk/8) {
		t.Errorf("a large chunked batch = %d %q; want 200", a.status, a.body)
	}
}

// OkHttp's interceptors compress bodies of a length that they do not know.
func TestCompressedBodiesMayComeInChunks(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	for _, tt := range []struct{ target, header, body, want string }{
		{"/api/events", "Content-Type: application/json; charset=utf-8", gzipped(t, `{"a":1}`), `{"a":1,"user_ip":"127.0.0.1"}`},
		{"/metrics", ndjson, gzipped(t, "{\"a\":1}\n"), `{"a":1}`},
		{"/metrics", ndjson, zstded(t, "{\"a\":1}\n"), `{"a":1}`},
	} {
		coding := isGzip
		if tt.body[0] != 0x1f {
			coding = isZstd
		}
		half := len(tt.body) / 2
		a := s.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
			tt.target, tt.header, coding, half, tt.body[:half], len(tt.body)-half, tt.body[half:]))
		if got := c.event(); a.status != 200 || got != tt.want {
			t.Errorf("POST %s with %s = %d %s, on the stream %s; want 200 and %s", tt.target, tt.header, a.status, a.body, got, tt.want)
		}
	}
}

// Without addresses, events are what came, and still objects only.
func TestBatchesWithoutAddresses(t *testing.T) {
	t.Parallel()
	off, err := access.NewUserIP("off", "")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *setup) { o.UserIP = off })
	c := s.listen("/events")
	if a := s.send(request("POST", "/api/events", "{}\n1\n{\"user_ip\":2}\n", ndjson)); said(t, a) != "2 1:not_object" {
		t.Errorf("the batch is answered %q; want one rejected", a.body)
	}
	if a := s.send(request("POST", "/cmcd", "e=t,ts=1")); a.status != 204 {
		t.Errorf("a report is answered %d %q", a.status, a.body)
	}
	for _, want := range []string{`{}`, `{"user_ip":2}`, `{"e":"t","ts":1}`} {
		if got := c.event(); got != want {
			t.Errorf("the stream has %s; want %s", got, want)
		}
	}
}
