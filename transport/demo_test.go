package transport

import (
	"regexp"
	"strings"
	"testing"

	"event-dispatcher/transport/screens"
)

var loads = regexp.MustCompile(`(?:src|href)="(demo/[a-z.]+)"|from "\./([a-z.]+)"`)

// All that the demo's page and its modules load is there, under a policy that lets in
// nothing else.
func TestDemoIsServedWhole(t *testing.T) {
	t.Parallel()
	s := start(t, withSessions(t, screens.HubOptions{}))
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		a := s.send(request("GET", path, ""))
		policy := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'; ") || strings.Contains(policy, "unsafe") {
			t.Fatalf("GET %s = %d, policy %q; want it served, strictly", path, a.status, policy)
		}
		if inline := regexp.MustCompile(`style=|<style|<script>| on[a-z]+="|https?://`).FindString(a.body); inline != "" {
			t.Errorf("%s has %q; want nothing inline and nothing from elsewhere", path, inline)
		}
		for _, found := range loads.FindAllStringSubmatch(a.body, -1) {
			if found[1] != "" {
				visit("/poc/" + found[1])
			} else {
				visit("/poc/demo/" + found[2])
			}
		}
	}
	visit("/poc/demo")
	if len(seen) != 5 {
		t.Errorf("the demo has %v; want a page, a style and three modules", seen)
	}
}

func TestThereIsNoDemoWithoutSessions(t *testing.T) {
	t.Parallel()
	s := start(t)
	if a := s.send(request("GET", "/poc/demo", "")); a.status != 404 {
		t.Errorf("GET /poc/demo = %d; want 404", a.status)
	}
}
