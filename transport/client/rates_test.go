package client

import (
	"fmt"
	"testing"

	"github.com/valyala/fasthttp"
	"golang.org/x/time/rate"

	"event-dispatcher/transport/refusal"
)

// Of more than a second's events the first ones come in, and the rest is refused for the
// limit that they are beyond.
func TestTheRestIsRefusedForTheLimitThatItIsBeyond(t *testing.T) {
	t.Parallel()
	own := func(burst int) func(*fasthttp.RequestCtx) *rate.Limiter {
		return func(*fasthttp.RequestCtx) *rate.Limiter { return rate.NewLimiter(1e-3, burst) }
	}
	for _, tt := range []struct {
		name             string
		total, perClient float64
		own              func(*fasthttp.RequestCtx) *rate.Limiter
		n                int
		want             string
	}{
		{"no limit", 0, 0, nil, 10, "10"},
		{"all fit", 10, 10, nil, 10, "10"},
		{"beyond the client's", 0, 5, nil, 10, "5, then client_limit"},
		{"beyond that of all", 5, 0, nil, 10, "5, then overloaded"},
		{"beyond both, the client's less", 8, 5, nil, 10, "5, then client_limit"},
		{"beyond both, that of all less", 5, 8, nil, 10, "5, then overloaded"},
		{"beyond both by as much", 5, 5, nil, 10, "5, then client_limit"},
		{"beyond its own", 0, 0, own(5), 10, "5, then client_limit"},
		{"beyond its own, which stands for the client's", 0, 2, own(5), 10, "5, then client_limit"},
		{"its own is more than that of all", 3, 0, own(5), 10, "3, then overloaded"},
		{"its own is none", 0, 0, own(0), 10, "0, then client_limit"},
	} {
		l := NewRates(tt.total, tt.perClient, &Addresses{}, tt.own)
		m, rest := l.AllowN(new(fasthttp.RequestCtx), tt.n)
		if got := allowed(m, tt.n, rest); got != tt.want {
			t.Errorf("%s: AllowN(%d) = %s; want %s", tt.name, tt.n, got, tt.want)
		}
	}
}

func allowed(m, n int, rest refusal.Reason) string {
	if m == n {
		return fmt.Sprint(m)
	}
	return fmt.Sprintf("%d, then %v", m, rest)
}
