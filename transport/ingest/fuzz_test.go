package ingest

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http/httputil"
	"reflect"
	"strings"
	"testing"

	"github.com/tmaxmax/go-sse"
	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
)

// A message is what an EventSource would dispatch.
type message struct{ event, id, data string }

// parseStream interprets a stream as WHATWG HTML, section 9.2.6, has it, line by
// line and by nothing that our side knows.
func parseStream(text string) (messages []message) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	lines := strings.Split(text, "\n")
	lines = lines[:len(lines)-1] // what follows the last end is no line yet
	var data, event, id string
	for _, line := range lines {
		if line == "" {
			if data != "" {
				messages = append(messages, message{event, id, strings.TrimSuffix(data, "\n")})
			}
			data, event = "", ""
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data += value + "\n"
		case "event":
			event = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	return messages
}

// decode reads JSON with numbers as they are spelled.
func decode(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q on the stream is not JSON: %v", text, err)
	}
	return v
}

// What a consumer's parser finds is the value that was posted, once.
func FuzzIngestToFrames(f *testing.F) {
	for _, b := range bodies {
		f.Add([]byte(b.body), "", false)
		f.Add([]byte(`{"a":`+b.body+`}`), "198.51.100.7", true)
	}
	for _, body := range []string{"{\r\n\"a\":\r1}\n", "{}", "{ }", `{"data":"\n\ndata: x"}`, "{\"\u2028\":1}", `{"user_ip":1}`} {
		for _, from := range []string{"::1", `1.1.1.1","x":"`, "\n", `"}`} {
			f.Add([]byte(body), from, true)
		}
	}
	b, err := broker.New(broker.Options{Bytes: 16 << 20})
	if err != nil {
		f.Fatal(err)
	}
	players := newPlayers(b)
	f.Fuzz(func(t *testing.T, body []byte, from string, object bool) {
		var req fasthttp.Request
		req.Header.SetMethod("POST")
		req.Header.Set("X-Forwarded-For", from)
		req.SetBody(body)
		var ctx fasthttp.RequestCtx
		ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, nil)
		cursor := b.HeadOf(0)
		if object {
			players.PostObject(&ctx)
		} else {
			players.PostAny(&ctx)
		}

		var frames bytes.Buffer
		var batch broker.Batch
		events := 0
		for b.Read(0, &cursor, &batch, 1<<30) {
			frames.Write(batch.Bytes)
			events += batch.Events
			batch.Release()
		}
		var value any
		want := accepted(body)
		if want {
			value = decode(t, string(body))
			if members, ok := value.(map[string]any); object && ok {
				delete(members, "user_ip")
			} else if object {
				want = false
			}
		}
		if status := ctx.Response.StatusCode(); (status == 200) != want || (events == 1) != want || events > 1 {
			t.Fatalf("POST %q = %d and %d events; want accepted %v", body, status, events, want)
		}
		text, err := io.ReadAll(httputil.NewChunkedReader(io.MultiReader(&frames, strings.NewReader("0\r\n\r\n"))))
		if err != nil {
			t.Fatalf("POST %q gives broken chunks: %v", body, err)
		}
		messages := parseStream(": connected\n" + string(text))
		if !want {
			if len(text) > 0 || len(ctx.Response.Body()) > 250 {
				t.Errorf("POST %q is refused with %d bytes and gives the frames %q; want a short text and none", body, len(ctx.Response.Body()), text)
			}
			return
		}
		if len(messages) != 1 || messages[0].event != "" || messages[0].id != "" {
			t.Fatalf("POST %q gives the messages %q; want one without name and id", body, messages)
		}
		got := decode(t, messages[0].data)
		if members, ok := got.(map[string]any); object && ok {
			ip, ok := members["user_ip"].(string)
			if !ok || net.ParseIP(ip) == nil {
				t.Errorf("POST %q from %q has user_ip %v; want an address", body, from, members["user_ip"])
			}
			delete(members, "user_ip")
		}
		if !reflect.DeepEqual(got, value) {
			t.Errorf("POST %q arrives as %q", body, messages[0].data)
		}
		// And so does the parser of a library.
		for ev, err := range sse.Read(bytes.NewReader(text), &sse.ReadConfig{MaxEventSize: 1 << 22}) {
			if err != nil || ev.Data != messages[0].data || ev.Type != "" {
				t.Errorf("POST %q: go-sse reads %+v, %v; want %q", body, ev, err, messages[0].data)
			}
		}
	})
}
