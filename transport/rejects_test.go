package transport

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRejectsTellReasonAndPathAndNothingOfTheContent(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 3 {
		s.send(request("POST", "/metrics", "secret!", "Content-Type: application/x-secret; charset=utf-8"))
	}
	s.send(request("POST", "/api/events?secret=1", "[]", `Content-Type: "secret"`))
	s.send(request("GET", "/secret", ""))
	s.send("POST /metrics HTTP/1.1\r\nHost: d\r\nContent-Length: 300003\r\n\r\n") // of which no byte comes
	a := s.send(request("GET", "/rejects", ""))
	type reject struct {
		Reason, Path string
		Count        int
		Last         struct {
			At          time.Time
			Method      string
			BodyBytes   int    `json:"body_bytes"`
			ContentType string `json:"content_type"`
		}
	}
	var got struct{ Rejects []reject }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got.Rejects) != 4 {
		t.Fatalf("GET /rejects = %d %q, %v; want four kinds", a.status, a.body, err)
	}
	large := slices.IndexFunc(got.Rejects, func(r reject) bool { return r.Reason == "too_large" })
	if large < 0 || got.Rejects[large].Last.BodyBytes != 300_003 {
		t.Errorf("GET /rejects = %s; want too_large, with the 300003 bytes that were declared", a.body)
	}
	r := slices.DeleteFunc(got.Rejects, func(r reject) bool { return r.Reason == "too_large" })
	if r[0].Reason != "invalid_json" || r[0].Path != "/metrics" || r[0].Count != 3 || r[0].Last.BodyBytes != 7 || r[0].Last.Method != "POST" || r[0].Last.ContentType != "application/x-secret" || time.Since(r[0].Last.At) > time.Hour {
		t.Errorf("first = %+v; want 3 of 7 bytes for /metrics", r[0])
	}
	if r[1].Reason != "not_object" || r[1].Path != "/api/events" || r[1].Last.ContentType != "other" || r[2].Reason != "not_found" || r[2].Path != "other" || r[2].Last.BodyBytes != 0 {
		t.Errorf("rejects = %+v; want not_object and not_found behind", r)
	}
	if strings.Contains(strings.ReplaceAll(a.body, "application/x-secret", ""), "secret") {
		t.Errorf("GET /rejects = %s; want nothing that the client said", a.body)
	}
}
