package transport

import (
	"encoding/json"
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
	if again := s.send(request("GET", "/events/view?"+v.Query, "")); again.body != a.body {
		t.Errorf("the view of query %q = %q; want the same view again, %q", v.Query, again.body, a.body)
	}
	if a := s.send(request("GET", "/events/view?where=a..b=1", "")); a.status != 400 || a.reason() != "parameter" {
		t.Errorf("GET /events/view with a wrong condition = %d %q; want 400", a.status, a.body)
	}
}
