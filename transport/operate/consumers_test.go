package operate

import (
	"bufio"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker"
	"event-dispatcher/transport/stream"
)

// taking reads at most so much of what is written at once.
type taking struct {
	most, all int
}

func (t *taking) Write(p []byte) (int, error) {
	t.most, t.all = max(t.most, len(p)), t.all+len(p)
	return len(p), nil
}

func TestConsumersAreWrittenOneByOne(t *testing.T) {
	t.Parallel()
	b, err := broker.New(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const many = 1000
	list := crowd(many, wanted(t, b, url.Values{"where": {"a=" + strings.Repeat("x<", 120)}}))
	texts := viewTexts{}
	if first, again := texts.of(list[0].View), texts.of(list[1].View); &first[0] != &again[0] {
		t.Error("the view that two consumers have is written out twice")
	}
	op := New(Options{Broker: b, Sockets: func() any { return []int{1, 2} }})
	op.consumers.inspect = func() []stream.ConsumerInfo { return list }
	var whole []any
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetProtocol(protocol)
		op.Consumers(&ctx)
		if streams := ctx.Response.IsBodyStream(); streams != (protocol == "HTTP/1.1") {
			t.Errorf("over %s the answer is written as it is read: %v", protocol, streams)
		}
		var got any
		if err := json.Unmarshal(ctx.Response.Body(), &got); err != nil {
			t.Fatalf("the answer over %s: %v; want JSON", protocol, err)
		}
		whole = append(whole, got)
	}
	want, _ := json.Marshal(map[string]any{"consumers": list, "session_sockets": []int{1, 2}})
	var same any
	if json.Unmarshal(want, &same); !reflect.DeepEqual(whole, []any{same, same}) {
		t.Errorf("the answers = %.500v; want what the consumers are", whole)
	}
	to := &taking{}
	w := bufio.NewWriter(to)
	consumerList{consumers: list}.write(w)
	w.Flush()
	if to.most > 8<<10 || to.all < many*500 {
		t.Errorf("of %d bytes %d were written at once; want a consumer's", to.all, to.most)
	}
}
