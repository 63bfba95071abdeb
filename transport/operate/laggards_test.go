package operate

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// crowd is so many streams of one view, the later the further behind.
func crowd(n int, v view.View) []stream.ConsumerInfo {
	list := make([]stream.ConsumerInfo, n)
	for i := range list {
		list[i] = stream.ConsumerInfo{
			ID: uint64(i), Addr: netip.MustParseAddrPort("192.0.2.7:4711"), Name: strings.Repeat(`"`, 64), Agent: "curl",
			Wire: "websocket", View: v, Lag: uint64(i), Skipped: 1 << 60, Delivered: 1 << 60, Since: time.Unix(1, 1),
		}
	}
	return list
}

// wanted is the view of a query.
func wanted(t *testing.T, b *broker.Broker, query url.Values) view.View {
	t.Helper()
	var args fasthttp.Args
	args.Parse(query.Encode())
	v, _, err := view.NewRegistry(view.Options{}).Parse(b, args.All())
	if err != nil {
		t.Fatalf("Parse(%v) = %v; want nil", query, err)
	}
	return v
}

func TestConsoleAsksTheLoopsOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	inspected, written := 0, 0
	l := &laggards{
		inspect: func() []stream.ConsumerInfo { inspected++; return crowd(3000, view.View{}) },
		query:   func(v view.View) string { written++; return v.Canonical() },
	}
	began := time.Unix(1000, 0)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if got := l.most(1, began); len(got) != 1 || got[0].ID != 2999 {
				t.Errorf("most(1) = %+v; want the last of the crowd", got)
			}
		})
	}
	asking.Wait()
	if got := l.most(5000, began.Add(listedFor-1)); len(got) != maxListed || got[maxListed-1].ID != 3000-maxListed {
		t.Errorf("most(5000) = %d streams to %+v; want those %d that lag most", len(got), got[len(got)-1], maxListed)
	}
	if inspected != 1 || written != maxListed {
		t.Errorf("21 within a second had the loops asked %d times and %d views written out; want 1 and %d", inspected, written, maxListed)
	}
	if l.most(1, began.Add(listedFor)); inspected != 2 {
		t.Errorf("after a second the loops had been asked %d times; want 2", inspected)
	}
}

func TestConsoleIsToldLittleOfLongViews(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"quotes": strings.Repeat(`"`, 250), "control": strings.Repeat("\x01", 250), "markup": strings.Repeat("<", 250), "three bytes": strings.Repeat("\u20ac", 80),
		"separators": strings.Repeat("\u2028", 80),
	} {
		query := url.Values{}
		for _, member := range []string{"a", "b", "c", "d"} {
			query.Add("where", member+"=x"+value)
		}
		v := wanted(t, b, query)
		op := New(Options{Broker: b})
		op.laggards.inspect = func() []stream.ConsumerInfo { return crowd(3000, v) }
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/console/stats?streams=3000")
		op.Figures(&ctx)
		answer := ctx.Response.Body()
		var f figures
		if err := json.Unmarshal(answer, &f); err != nil || len(f.Streams) != maxListed || len(answer) > 128<<10 {
			t.Fatalf("%s: %d streams in %d bytes, %v; want %d in at most 128 KiB", name, len(f.Streams), len(answer), err, maxListed)
		}
		if text, whole := strings.CutSuffix(f.Streams[0].View, "…"); !whole || len(text) > maxViewText || len(text) < maxViewText-utf8.UTFMax || !utf8.ValidString(text) {
			t.Errorf("%s: view %q; want some %d bytes of it, and an ellipsis", name, f.Streams[0].View, maxViewText)
		}
	}
}

func TestConsoleShowsShortViewsWhole(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := &laggards{query: view.View.Canonical, all: b.AllShards()}
	for want, query := range map[string]url.Values{"": nil, "where=a>1&members=b": {"where": {"a>1"}, "members": {"b"}}} {
		if got := l.view(wanted(t, b, query)); got != want {
			t.Errorf("view of %v = %q; want %q", query, got, want)
		}
	}
}
