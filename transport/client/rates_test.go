package client

import (
	"fmt"
	"math"
	"testing"

	"github.com/valyala/fasthttp"

	"event-dispatcher/transport/bucket"
	"event-dispatcher/transport/refusal"
)

// Of more than a second's events the first ones come in, and the rest is refused for the
// limit that they are beyond.
func TestTheRestIsRefusedForTheLimitThatItIsBeyond(t *testing.T) {
	t.Parallel()
	own := func(burst int) func(*fasthttp.RequestCtx) *bucket.Bucket {
		limit := bucket.New(1e-3, burst)
		return func(*fasthttp.RequestCtx) *bucket.Bucket { return limit }
	}
	for _, tt := range []struct {
		name             string
		total, perClient float64
		own              func(*fasthttp.RequestCtx) *bucket.Bucket
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
		m := 0
		rest, ok := l.Allow(new(fasthttp.RequestCtx))
		if ok {
			m, rest = l.AllowRest(new(fasthttp.RequestCtx), tt.n, 1, 0)
		}
		if got := allowed(m, tt.n, rest); got != tt.want {
			t.Errorf("%s: of a batch of %d come in %s; want %s", tt.name, tt.n, got, tt.want)
		}
	}
}

func allowed(m, n int, rest refusal.Reason) string {
	if m == n {
		return fmt.Sprint(m)
	}
	return fmt.Sprintf("%d, then %v", m, rest)
}

// What was done to count the events of a batch that stays out is paid for, as far as its
// client can.
func TestABatchThatStaysOutCostsItsClientTheLeast(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ left, least, want int }{{10, 4, 6}, {10, 1, 9}, {10, 0, 9}, {3, 4, 0}} {
		own := bucket.New(1e-9, 20)
		own.Take(20-tt.left, 0)
		l := NewRates(0, 0, &Addresses{}, func(*fasthttp.RequestCtx) *bucket.Bucket { return own })
		ctx := new(fasthttp.RequestCtx)
		l.Allow(ctx)
		if m, rest := l.AllowRest(ctx, 20, 1, tt.least); m != 0 || rest != refusal.ClientLimit {
			t.Errorf("%s come in; want 0, then client_limit", allowed(m, 20, rest))
		}
		if got := int(math.Round(own.Left())); got != tt.want {
			t.Errorf("%d of %d events are left after a batch that costs %d at least; want %d", got, tt.left, tt.least, tt.want)
		}
	}
}

// A batch that stays out costs its client one event. The others pay nothing for it, else
// batches that are tried again and again would keep each other out for good.
func TestABatchThatStaysOutCostsItsClientOneEvent(t *testing.T) {
	t.Parallel()
	const batch = 4
	for _, tt := range []struct {
		name     string
		own, all int
		want     refusal.Reason
	}{
		{"for the rate of its client", batch, 100, refusal.ClientLimit},
		{"for the rate of all", 100, batch, refusal.Overloaded},
	} {
		own, all := bucket.New(1e-9, tt.own), bucket.New(1e-9, tt.all)
		l := NewRates(0, 0, &Addresses{}, func(*fasthttp.RequestCtx) *bucket.Bucket { return own })
		l.total = all
		ctx := new(fasthttp.RequestCtx)
		l.Allow(ctx) // one event is too many for all of the batch
		before := all.Left()
		l.Allow(ctx)
		if m, rest := l.AllowRest(ctx, batch, 1, 0); m != 0 || rest != tt.want {
			t.Errorf("%s: %s come in; want 0, then %v", tt.name, allowed(m, batch, rest), tt.want)
		}
		if n := math.Round(all.Left() - before); n != 0 {
			t.Errorf("%s: %v events are left to all, compared with before; want as many", tt.name, n)
		}
		if want := tt.own - 2; int(math.Round(own.Left())) != want { // the event before, and one
			t.Errorf("%s: %v of %d events are left to its client; want %d: it pays for one", tt.name, own.Left(), tt.own, want)
		}
	}
}
