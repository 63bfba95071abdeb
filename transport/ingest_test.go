package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	goccy "github.com/goccy/go-json"
)

// secret is in every body that is refused, and must be in no answer.
const secret = "c4n4ry"

func TestIngestAnswersByTheContract(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.MaxBody = 4096 })
	big := `"` + strings.Repeat(secret, 1000) + `"`
	for _, tt := range []struct {
		name   string
		paths  string // m: /metrics, e: /api/events
		method string
		body   string
		header string
		status int
		reason string
	}{
		{"object", "me", "POST", `{"a":1}`, "", 200, ""},
		{"beacon", "me", "POST", `{"a":1}`, "Content-Type: text/plain;charset=UTF-8", 200, ""},
		{"form type", "me", "POST", `{"a":1}`, "Content-Type: application/x-www-form-urlencoded", 200, ""},
		{"multipart type", "me", "POST", `{"a":1}`, "Content-Type: multipart/form-data; boundary=x", 200, ""},
		{"space around", "me", "POST", " \t\r\n{}\r\n ", "", 200, ""},
		{"null", "m", "POST", "null", "", 200, ""},
		{"number", "m", "POST", "-0.5e+300", "", 200, ""},
		{"string", "m", "POST", `"c4n4ry"`, "", 200, ""},
		{"array", "m", "POST", `["c4n4ry"]`, "", 200, ""},
		{"null is no object", "e", "POST", "null", "", 400, "not_object"},
		{"number is no object", "e", "POST", "1", "", 400, "not_object"},
		{"string is no object", "e", "POST", `"{c4n4ry}"`, "", 400, "not_object"},
		{"array is no object", "e", "POST", ` [{"c4n4ry":1}]`, "", 400, "not_object"},
		{"empty", "me", "POST", "", "", 400, "empty_body"},
		{"blank", "me", "POST", " \r\n", "", 400, "invalid_json"},
		{"not JSON", "me", "POST", "c4n4ry", "", 400, "invalid_json"},
		{"two values", "me", "POST", `{"c4n4ry":1} {}`, "", 400, "invalid_json"},
		{"cut off", "me", "POST", `{"c4n4ry":`, "", 400, "invalid_json"},
		{"newline in a string", "me", "POST", "{\"c4n4ry\":\"\n\"}", "", 400, "invalid_json"},
		{"NUL behind", "me", "POST", "{\"c4n4ry\":1}\x00", "", 400, "invalid_json"},
		{"byte order mark", "me", "POST", "\xEF\xBB\xBF{\"c4n4ry\":1}", "", 400, "byte_order_mark"},
		{"UTF-16", "me", "POST", "\xFF\xFE{\x00}\x00", "", 400, "invalid_utf8"},
		{"invalid UTF-8 in a string", "me", "POST", "{\"c4n4ry\":\"\xC3\x28\"}", "", 400, "invalid_utf8"},
		{"surrogate in UTF-8", "me", "POST", "{\"c4n4ry\":\"\xED\xA0\x80\"}", "", 400, "invalid_utf8"},
		{"invalid UTF-8 outside", "me", "POST", "{c4n4ry\xff}", "", 400, "invalid_utf8"},
		{"too large", "me", "POST", big, "", 413, "too_large"},
		{"deflate", "me", "POST", `{"c4n4ry":1}`, "Content-Encoding: deflate", 415, "content_encoding"},
		{"not gzip", "me", "POST", `{"c4n4ry":1}`, "Content-Encoding: gzip", 400, "content_corrupt"},
		{"gzip twice", "me", "POST", `{"c4n4ry":1}`, "Content-Encoding: gzip\r\nContent-Encoding: gzip", 415, "content_encoding"},
		{"br", "me", "POST", `{"c4n4ry":1}`, "Content-Encoding: br", 415, "content_encoding"},
		{"gzip, identity", "me", "POST", `{"c4n4ry":1}`, "Content-Encoding: gzip, identity", 415, "content_encoding"},
		{"identity", "me", "POST", `{"a":1}`, "Content-Encoding: identity", 200, ""},
		{"Identity", "me", "POST", `{"a":1}`, "Content-Encoding: Identity", 200, ""},
		{"PUT", "me", "PUT", `{"c4n4ry":1}`, "", 405, "method"},
		{"DELETE", "me", "DELETE", "", "", 405, "method"},
		{"lowercase method", "me", "post", `{"c4n4ry":1}`, "", 405, "method"},
		{"unknown method", "me", "PUBLISH", `{"c4n4ry":1}`, "", 405, "method"},
		{"longer method", "me", "POSTS", `{"c4n4ry":1}`, "", 405, "method"},
		{"GET", "e", "GET", "", "", 405, "method"},
		{"HEAD", "e", "HEAD", "", "", 405, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, p := range tt.paths {
				path := map[rune]string{'m': "/metrics", 'e': "/api/events"}[p]
				var headers []string
				if tt.header != "" {
					headers = []string{tt.header}
				}
				a := s.send(request(tt.method, path, tt.body, headers...))
				call := fmt.Sprintf("%s %s %.40q", tt.method, path, tt.body)
				if a.status != tt.status || a.reason() != tt.reason {
					t.Errorf("%s = %d %q; want %d %q", call, a.status, a.body, tt.status, tt.reason)
				}
				if strings.Contains(a.body, secret) || len(a.body) > 250 {
					t.Errorf("%s answers %q; want a short text without the body", call, a.body)
				}
				if a.status == 200 && a.body != "" {
					t.Errorf("%s answers 200 with body %q; want none", call, a.body)
				}
				if got := a.header.Get("Content-Type"); got == "" {
					t.Errorf("%s = %d without a Content-Type; browsers would take it for XML", call, a.status)
				}
				if got := a.header.Get("Accept-Encoding"); (a.status == 415) != (got == "gzip, zstd, identity") {
					t.Errorf("%s = %d with Accept-Encoding %q; want it with 415 only", call, a.status, got)
				}
				if got := a.header.Get("Cache-Control"); a.status != 200 && got != "no-store" {
					t.Errorf("%s = %d with Cache-Control %q; want no-store", call, a.status, got)
				}
				if got := a.header.Get("Access-Control-Allow-Origin"); got != "*" {
					t.Errorf("%s has Access-Control-Allow-Origin %q; want *", call, got)
				}
				if allow := a.header.Get("Allow"); (a.status == 405) != strings.HasSuffix(allow, "POST, OPTIONS") {
					t.Errorf("%s = %d with Allow %q; want Allow with 405 only", call, a.status, allow)
				}
			}
		})
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, target := range []string{
		"//", "//metrics", "/metrics/", "/x/../metrics", "/./metrics", "/METRICS", "/%6detrics", "/metrics%2f", "/metrics;x",
		"/api/events/", "/api//events", "/events/", "/eventsx", "/event-dispatcher/", "/debug/pprof/", "/consumers", "/admin",
		"/ws/a/b",
	} {
		for _, method := range []string{"GET", "POST"} {
			if a := s.send(request(method, target, "{}")); a.status != 404 || a.reason() != "not_found" {
				t.Errorf("%s %s = %d %q; want 404", method, target, a.status, a.body)
			}
		}
	}
	for _, target := range []string{"/metrics?a=b", "http://elsewhere.example/metrics"} {
		if a := s.send(request("POST", target, "{}")); a.status != 200 {
			t.Errorf("POST %s = %d %q; want 200", target, a.status, a.body)
		}
	}
}

func TestEventsArriveByteForByte(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	const ip = `"user_ip":"127.0.0.1"`
	for _, tt := range []struct{ path, body, want string }{
		{"/metrics", `{"b":1,"a":2}`, `{"b":1,"a":2}`},
		{"/metrics", ` {"a" : "\/\u0041é😀" } `, ` {"a" : "\/\u0041é😀" } `},
		{"/metrics", "1E400", "1E400"},
		{"/metrics", "{\n\t\"a\":\r\n1}\r", "{ \t\"a\":  1} "},
		{"/metrics", `{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{"/metrics", `"data: x\n\ndata: y"`, `"data: x\n\ndata: y"`},
		{"/metrics", "\"\u2028\u0085\"", "\"\u2028\u0085\""},
		{"/api/events", `{}`, `{` + ip + `}`},
		{"/api/events", `{ }`, `{ ` + ip + `}`},
		{"/api/events", "\t{\r\n}\n", "\t{  " + ip + "} "},
		{"/api/events", `{"a":1}`, `{"a":1,` + ip + `}`},
		{"/api/events", `{"a":1 }  `, `{"a":1 ,` + ip + `}  `},
		{"/api/events", "{\"a\":1\n}\r\n", "{\"a\":1 ," + ip + "}  "},
		{"/api/events", `{"a":{"b":{}}}`, `{"a":{"b":{}},` + ip + `}`},
		{"/api/events", `{"a":[{}]}`, `{"a":[{}],` + ip + `}`},
		{"/api/events", `{"a":"{"}`, `{"a":"{",` + ip + `}`},
		{"/api/events", `{"a":"}\"}"}`, `{"a":"}\"}",` + ip + `}`},
		{"/api/events", `{"{":{}}`, `{"{":{},` + ip + `}`},
		{"/api/events", `{"user_ip":"6.6.6.6"}`, `{` + ip + `}`},
		{"/api/events", ` {"user_ip": {"user_ip":1} , "a":{"user_ip":2}, "user\u005fip":3}`, ` { "a":{"user_ip":2},` + ip + `}`},
		{"/metrics", `{"user_ip":"6.6.6.6"}`, `{"user_ip":"6.6.6.6"}`},
	} {
		s.post(tt.path, tt.body)
		if got := c.event(); got != tt.want {
			t.Errorf("POST %s %q is broadcast as %q; want %q", tt.path, tt.body, got, tt.want)
		}
	}
}

// A body may have the member already. Ours takes its place. Where a decoder does not
// mind the case of names, ours comes last, and of two members with one name they keep
// the last.
func TestAddressWinsOverOneInTheBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.listen("/events")
	for _, body := range []string{
		`{"user_ip":"6.6.6.6"}`,
		`{"user_ip":"6.6.6.6","user_ip":"6.6.6.7"}`,
		`{"user_ip":{"user_ip":"6.6.6.6"}}`,
		`{"user_ip":null}`,
		`{"user\u005fip":"6.6.6.6"}`,
		`{"USER_IP":"6.6.6.6"}`, // some decoders do not mind the case
	} {
		s.post("/api/events", body)
		event := []byte(c.event())
		for name, decode := range map[string]func([]byte, any) error{"encoding/json": json.Unmarshal, "goccy/go-json": goccy.Unmarshal} {
			var all map[string]any
			var one struct {
				UserIP any `json:"user_ip"`
			}
			if err := errors.Join(decode(event, &all), decode(event, &one)); err != nil || all["user_ip"] != "127.0.0.1" || one.UserIP != "127.0.0.1" {
				t.Errorf("%s finds %v and %v in %s, %v; want the client's address", name, all["user_ip"], one.UserIP, event, err)
			}
		}
	}
}

func TestUserIPIsTheClientBehindTheProxies(t *testing.T) {
	t.Parallel()
	all := start(t)
	some := start(t, func(o *setup) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	})
	nobody := start(t, func(o *setup) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} })
	const peer = "127.0.0.1"
	for _, tt := range []struct {
		name   string
		server *testServer
		lines  []string // of X-Forwarded-For
		want   string
	}{
		{"none", all, nil, peer},
		{"v4", all, []string{"198.51.100.7"}, "198.51.100.7"},
		{"first of many", all, []string{"198.51.100.7, 10.0.0.1 ,10.0.0.2"}, "198.51.100.7"},
		{"first line", all, []string{"198.51.100.7", "203.0.113.9"}, "198.51.100.7"},
		{"v4 and port", all, []string{"198.51.100.7:1234"}, "198.51.100.7"},
		{"v6", all, []string{"2001:DB8:0::1"}, "2001:db8::1"},
		{"v6 in brackets", all, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"v6 and port", all, []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"longest v6", all, []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"zone", all, []string{"fe80::1%eth0"}, "fe80::1"},
		{"v4 in v6", all, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"space", all, []string{" \t198.51.100.7\t "}, "198.51.100.7"},
		{"empty", all, []string{""}, peer},
		{"commas", all, []string{",,"}, peer},
		{"empty element first", all, []string{" ,\t, 198.51.100.7, 10.0.0.1"}, "198.51.100.7"},
		{"empty line first", all, []string{"", ",", "198.51.100.7"}, "198.51.100.7"},
		{"empty element, then garbage", all, []string{", garbage, 198.51.100.7"}, peer},
		{"unknown", all, []string{"unknown"}, peer},
		{"hidden", all, []string{"_hidden, 198.51.100.7"}, peer},
		{"too many numbers", all, []string{"1.2.3.4.5"}, peer},
		{"leading zeros", all, []string{"010.1.1.1"}, peer},
		{"v4 in brackets", all, []string{"[1.2.3.4]"}, peer},
		{"half a bracket", all, []string{"[2001:db8::1"}, peer},
		{"bracket", all, []string{"["}, peer},
		{"brackets", all, []string{"[]"}, peer},
		{"long", all, []string{strings.Repeat("1", 5000)}, peer},
		{"injected member", all, []string{`1.1.1.1","admin":"true`}, peer},
		{"injected end", all, []string{`"}\n\ndata: {}`}, peer},
		{"injection in a zone", all, []string{`fe80::1%","x":"`}, "fe80::1"},
		{"injection in a port", all, []string{`1.1.1.1:80"`}, peer},
		{"injection in brackets", all, []string{`[::1","a":"]`}, peer},
		{"high bytes", all, []string{"\xff\xfe"}, peer},

		{"trusted, none", some, nil, peer},
		{"trusted, one", some, []string{"198.51.100.7"}, "198.51.100.7"},
		{"trusted, spoofed", some, []string{"6.6.6.6, 198.51.100.7, 10.1.1.1"}, "198.51.100.7"},
		{"trusted, proxy adds a line", some, []string{"6.6.6.6", "198.51.100.7"}, "198.51.100.7"},
		{"trusted, several lines", some, []string{"6.6.6.6, 198.51.100.7", "10.1.1.1", "10.1.1.2,10.1.1.3"}, "198.51.100.7"},
		{"trusted, empty elements", some, []string{"198.51.100.7,, ,10.1.1.1, ", " ", ","}, "198.51.100.7"},
		{"trusted, all empty", some, []string{",", ""}, peer},
		{"trusted, all proxies", some, []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"trusted, garbage", some, []string{"198.51.100.7, garbage"}, peer},
		{"trusted, garbage behind a proxy", some, []string{"198.51.100.7, garbage, 10.0.0.1"}, "10.0.0.1"},
		{"trusted, v6 proxy", some, []string{"198.51.100.7, 2001:db8::5"}, "198.51.100.7"},
		{"trusted, v4 in v6", some, []string{"198.51.100.7, ::ffff:10.0.0.1"}, "198.51.100.7"},
		{"peer not trusted", nobody, []string{"198.51.100.7"}, peer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.server.listen("/events")
			var headers []string
			for _, l := range tt.lines {
				headers = append(headers, "X-Forwarded-For: "+l)
			}
			tt.server.post("/api/events", `{"a":1}`, headers...)
			if got, want := c.event(), fmt.Sprintf(`{"a":1,"user_ip":%q}`, tt.want); got != want {
				t.Errorf("the event with X-Forwarded-For %q = %s; want %s", tt.lines, got, want)
			}
			c.conn.Close()
		})
	}
}
