package crowd

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// connect opens one stream and reads it until it ends or ctx does.
func (c *consumer) connect(ctx context.Context) error {
	target := c.crowd.opt.URL + c.crowd.opt.Path
	if c.query != "" {
		target += "?" + c.query
	}
	if c.spec.Wire == "ws" {
		return c.socket(ctx, target)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", map[string]string{"sse": "text/event-stream", "ndjson": "application/x-ndjson"}[c.spec.Wire])
	if c.lastID != "" {
		req.Header.Set("Last-Event-ID", c.lastID)
	}
	resp, err := c.crowd.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s: %s: %s", c.spec.Text, resp.Status, bytes.TrimSpace(text))
	}
	c.open()
	body := io.Reader(slowly{resp.Body, c})
	if resp.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return err
		}
	} else if strings.Contains(c.query, "encoding=gzip") {
		return fmt.Errorf("%s: the answer is not compressed", c.spec.Text)
	}
	lines := bufio.NewReaderSize(body, 4<<10)
	if c.spec.Wire == "ndjson" {
		return c.lines(lines)
	}
	return c.events(lines)
}

// events reads Server-Sent Events as an EventSource does.
func (c *consumer) events(in *bufio.Reader) error {
	var data []byte
	name, id, hasID := "", "", false
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0:
			if data != nil && name == "" {
				c.event(data)
			}
			if hasID {
				c.remember(id)
			}
			data, name, hasID = nil, "", false
		case line[0] == ':':
			c.notice(string(value))
		case string(field) == "data":
			data = append(data[:0], value...)
		case string(field) == "event":
			name = string(value)
		case string(field) == "id":
			id, hasID = string(value), true
		}
	}
}

// lines reads NDJSON.
func (c *consumer) lines(in *bufio.Reader) error {
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		if len(line) > 0 {
			c.text(line)
		}
	}
}

// text takes a line or a text frame: an event, or a notice as JSON.
func (c *consumer) text(b []byte) {
	if !bytes.HasPrefix(b, []byte(`{"$dispatcher":`)) {
		if c.spec.Resumes { // it counts when its id has come
			c.waiting = append(c.waiting[:0], b...)
		} else {
			c.event(b)
		}
		return
	}
	var notice struct {
		Dispatcher struct {
			Skipped       *uint64
			ID, Connected string
		} `json:"$dispatcher"`
	}
	switch err := json.Unmarshal(b, &notice); {
	case err != nil:
		c.wrong++
	case notice.Dispatcher.Skipped != nil && c.spec.Wire == "ndjson": // over WebSocket the ping has said it already
		c.skipped += *notice.Dispatcher.Skipped
	case notice.Dispatcher.ID != "" && c.spec.Resumes:
		if len(c.waiting) > 0 {
			c.event(c.waiting)
			c.waiting = c.waiting[:0]
		}
		c.remember(notice.Dispatcher.ID)
	default:
		c.notice(notice.Dispatcher.Connected)
	}
}

// remember takes the place to come back to.
func (c *consumer) remember(id string) {
	c.lastID = id
	c.hasID.Store(true)
	c.sinceID = c.sinceID[:0]
}

func (c *consumer) notice(text string) {
	if digits, ok := strings.CutPrefix(text, "skipped "); ok {
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
			c.skipped += n
		}
	}
	if strings.Contains(text, "cannot resume") {
		c.strangers++
	}
}

func (c *consumer) socket(ctx context.Context, target string) error {
	header := http.Header{}
	if c.lastID != "" {
		header.Set("Last-Event-ID", c.lastID)
	}
	conn, resp, err := websocket.Dial(ctx, strings.Replace(target, "http:", "ws:", 1), &websocket.DialOptions{
		HTTPClient: c.crowd.client,
		HTTPHeader: header,
		OnPingReceived: func(_ context.Context, payload []byte) bool {
			c.notice(string(payload))
			return true
		},
	})
	if err != nil {
		if resp != nil {
			return fmt.Errorf("%s: %s", c.spec.Text, resp.Status)
		}
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	c.open()
	for {
		c.rest()
		_, b, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		c.text(b)
	}
}

// slowly reads nothing while its consumer stalls.
type slowly struct {
	io.Reader
	c *consumer
}

func (s slowly) Read(b []byte) (int, error) {
	s.c.rest()
	return s.Reader.Read(b)
}

// rest is where a stalling consumer stands still, once.
func (c *consumer) rest() {
	if c.spec.Stalls && !c.rested && c.received > 0 {
		c.rested = true
		time.Sleep(c.crowd.opt.StallFor)
	}
}

// readLine reads up to a line feed, of a length that is bounded.
func readLine(in *bufio.Reader) ([]byte, error) {
	var all []byte
	for {
		part, err := in.ReadSlice('\n')
		all = append(all, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(all[:len(all)-1], []byte("\r")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(all) > 1<<20:
			return nil, errors.New("a line of more than 1 MiB")
		}
	}
}
