package access

import (
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestOriginsAreSpelledAsBrowsersSendThem(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"https://example.com":       "https://example.com",
		"HTTPS://Example.com":       "https://example.com",
		"https://example.com:443":   "https://example.com",
		"http://example.com:80":     "http://example.com",
		"http://example.com:443":    "http://example.com:443",
		"https://example.com:8443":  "https://example.com:8443",
		"http://[::1]:80":           "http://[::1]",
		"https://*.example.com:443": "https://*.example.com",
		"null":                      "null",
		"file://":                   "file://",
		"capacitor://localhost":     "capacitor://localhost",
		"https://example.com/":      "", // browsers never send these
		"https://example.com/a":     "",
		"https://example.com?a":     "",
		"https://example.com#a":     "",
		"https://u@example.com":     "",
		"https://example.com:":      "",
		"https://example.com:0443":  "",
		"https://example.com:99999": "",
		"https://*":                 "",
		"https://*.":                "",
		"https://a.*.example.com":   "",
		"https://*example.com":      "",
		"https://*.10.0.0.1":        "",
		"https://exämple.com":       "",
		"https://":                  "",
		"example.com":               "",
		"*":                         "",
		"":                          "",
	} {
		if got, err := Origin(s); got != want || (err == nil) != (want != "") {
			t.Errorf("Origin(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestListedOriginsAndTheOwnOneMayOpenSockets(t *testing.T) {
	t.Parallel()
	list := []string{"https://page.example", "https://*.wild.example", "http://*.ported.example:8080", "null"}
	for _, tt := range []struct {
		origin, host string
		want         bool
	}{
		{"", "events.example", true}, // no browser
		{"https://page.example", "events.example", true},
		{"http://page.example", "events.example", false},
		{"https://page.example:8443", "events.example", false},
		{"https://a.wild.example", "events.example", true},
		{"https://a.b.wild.example", "events.example", true},
		{"https://wild.example", "events.example", false},
		{"https://.wild.example", "events.example", false},
		{"https://evilwild.example", "events.example", false},
		{"https://a.wild.example.evil.example", "events.example", false},
		{"https://evil.example/a.wild.example", "events.example", false},
		{"https://a.wild.example:8443", "events.example", false},
		{"http://a.wild.example", "events.example", false},
		{"http://a.ported.example:8080", "events.example", true},
		{"null", "events.example", true},
		{"file://", "events.example", false},
		{"https://events.example", "events.example", true},
		{"https://events.example", "Events.Example:443", true},
		{"http://events.example", "events.example:80", true},
		{"http://events.example", "events.example:443", false},
		{"https://events.example:8443", "events.example:8443", true},
		{"https://events.example.evil.example", "events.example", false},
		{"evil://events.example", "events.example", false},
	} {
		var h fasthttp.RequestHeader
		h.SetHost(tt.host)
		if tt.origin != "" {
			h.Set("Origin", tt.origin)
		}
		if got := SocketOrigins(list).MayOpen(&h); got != tt.want {
			t.Errorf("MayOpen(%q, Host %s) = %v; want %v", tt.origin, tt.host, got, tt.want)
		}
		if got := NewCORS(list).MayUpgrade(&h); got != tt.want {
			t.Errorf("MayUpgrade(%q, Host %s) = %v; want %v", tt.origin, tt.host, got, tt.want)
		}
		var resp fasthttp.ResponseHeader
		NewCORS(list).Allow(&h, &resp)
		readable := string(resp.Peek("Access-Control-Allow-Origin"))
		if inList := tt.want && tt.origin != "" && among(list, tt.origin); (readable == tt.origin && readable != "") != inList {
			t.Errorf("an answer to %q allows %q; want the origin: %v", tt.origin, readable, inList)
		}
	}
}

// What an answer repeats is no longer than a host's name may be.
func TestAWildcardStandsForTheNameOfAHost(t *testing.T) {
	list := []string{"https://*.wild.example"}
	for n, want := range map[int]bool{1: true, maxHost: true, maxHost + 1: false, 15_000: false} {
		if got := among(list, "https://"+strings.Repeat("a", n)+".wild.example"); got != want {
			t.Errorf("a name of %d bytes: %v; want %v", n, got, want)
		}
	}
}
