package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestViewSaysWhatAStreamWouldShow(t *testing.T) {
	t.Parallel()
	s := start(t)
	var v struct {
		Where []string
		Query string
	}
	a := s.send(request("GET", "/events/view?where=b=2&where=a&x=1", ""))
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != 200 || len(v.Where) != 2 {
		t.Errorf("GET /events/view = %d %q; want both conditions", a.status, a.body)
	}
	known, _, _ := strings.Cut(a.body, `,"unknown":["x"]`)
	if again := s.send(request("GET", "/events/view?"+v.Query, "")); again.body != known+"}\n" {
		t.Errorf("the view of query %q = %q; want the same view again, %q", v.Query, again.body, a.body)
	}
	for query, want := range map[string]string{
		"were=event_name=ERROR":  `,"unknown":["were"],"did_you_mean":{"were":"where"}}`,
		"x=1&Sample=1&x=2":       `,"unknown":["x","Sample"],"did_you_mean":{"Sample":"sample"}}`,
		"%22%3Cscript%3E=1":      `,"unknown":["script"]}`,
		"name=a&lastEventId=b.c": `"query":"shards=0&ids=1"}`,
	} {
		if a := s.send(request("GET", "/events/view?"+query, "")); a.status != 200 || !strings.HasSuffix(a.body, want+"\n") || !json.Valid([]byte(a.body)) {
			t.Errorf("GET /events/view?%s = %d %q; want %s at the end", query, a.status, a.body, want)
		}
	}
	if a := s.send(request("GET", "/events/view?where=a..b=1", "")); a.status != 400 || a.reason() != "parameter" {
		t.Errorf("GET /events/view with a wrong condition = %d %q; want 400", a.status, a.body)
	}
}

// Who holds no stream keeps nobody from theirs, however much it asks.
func TestAskingWhatAViewIsTakesNoPlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	conn := s.dial()
	in := bufio.NewReader(conn)
	for n := range 10_000 {
		if _, err := io.WriteString(conn, fmt.Sprintf("GET /events/view?where=a!=%d&members=b%d HTTP/1.1\r\nHost: a\r\n\r\n", n, n)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			t.Fatalf("query %d = %d, %v; want 200", n, resp.StatusCode, err)
		}
	}
	for n := range 300 { // more than -max-general-views
		if resp := s.head(s.addr, request("HEAD", fmt.Sprintf("/events?where=a!=%d", n), "")); resp.StatusCode != 200 {
			t.Fatalf("HEAD of view %d = %d; want 200", n, resp.StatusCode)
		}
	}
	for _, part := range []string{"general", "members"} {
		if n := s.gather()["dispatcher_view_parts{"+part+"}"]; n != 0 {
			t.Errorf("%v %s views are in use; want none where nobody has a stream", n, part)
		}
	}
	s.listen("/events?where=a!=x")
	if n := s.gather()["dispatcher_view_parts{general}"]; n != 1 {
		t.Errorf("%v general views are in use; want that of the stream", n)
	}
}
