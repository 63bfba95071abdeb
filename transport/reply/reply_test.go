package reply

import (
	"testing"

	"github.com/valyala/fasthttp"
)

// marked encodes itself, as views do.
type marked struct{}

func (marked) MarshalJSON() ([]byte, error) { return []byte(`"c<d>&"`), nil }

func TestJSONIsAsShortAsItCanBeAndNoPage(t *testing.T) {
	t.Parallel()
	var ctx fasthttp.RequestCtx
	JSON(&ctx, struct {
		Text string `json:"text"`
		View marked `json:"view"`
	}{"a<b>&", marked{}})
	if got, want := string(ctx.Response.Body()), `{"text":"a<b>&","view":"c<d>&"}`+"\n"; got != want {
		t.Errorf("body = %q; want %q", got, want)
	}
	for header, want := range map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := string(ctx.Response.Header.Peek(header)); got != want {
			t.Errorf("%s = %q; want %q", header, got, want)
		}
	}
}
