//go:build unix

package e2e

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	launchdarkly "github.com/launchdarkly/eventsource"
	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"
)

// heardInGo collects what read hands on until the test ends. Nobody waits for the end of
// read: r3labs/sse cannot be stopped between two attempts.
func heardInGo(t testing.TB, read func(ctx context.Context, add func(data string)) error) ears {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := &stream{}
	go read(ctx, func(data string) {
		if data == "" { // an id without an event: some hand it on
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, data)
	})
	return s.all
}

func byR3labs(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		client := r3labs.NewClient(url, r3labs.ClientMaxBufferSize(1<<20))
		for ctx.Err() == nil { // it returns after a clean end
			if err := client.SubscribeRawWithContext(ctx, func(e *r3labs.Event) { add(string(e.Data)) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func byTmaxmax(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		connection := tmaxmax.NewConnection(req)
		connection.Buffer(nil, 1<<20)
		connection.SubscribeMessages(func(e tmaxmax.Event) { add(e.Data) })
		for ctx.Err() == nil { // it returns after a clean end
			if err := connection.Connect(); err != nil {
				return err
			}
		}
		return nil
	})
}

func byLaunchdarkly(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		stream, err := launchdarkly.SubscribeWithURL(url, launchdarkly.StreamOptionInitialRetry(100*time.Millisecond))
		if err != nil {
			return err
		}
		defer stream.Close()
		for {
			select {
			case <-ctx.Done():
				return nil
			case e := <-stream.Events:
				add(e.Data())
			case <-stream.Errors: // it goes on by itself
			}
		}
	})
}

func byGorilla(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		conn, _, err := gorilla.DefaultDialer.DialContext(ctx, url, nil)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		for {
			_, text, err := conn.ReadMessage()
			if err != nil {
				return err
			}
			add(string(text))
		}
	})
}

func byCoder(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		conn, _, err := coder.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		for {
			_, text, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			add(string(text))
		}
	})
}

func byGobwas(t testing.TB, url string) ears {
	return heardInGo(t, func(ctx context.Context, add func(string)) error {
		conn, buffered, _, err := ws.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		var from io.Reader = conn
		if buffered != nil { // has what came together with the answer to the handshake
			from = buffered
		}
		both := struct {
			io.Reader
			io.Writer
		}{from, conn}
		for {
			text, err := wsutil.ReadServerText(both)
			if err != nil {
				return err
			}
			add(string(text))
		}
	})
}
