package view

import (
	"errors"
	"net/url"
	"testing"
)

func TestNarrow(t *testing.T) {
	b, r := newBroker(t), NewRegistry(Options{})
	for _, tt := range []struct {
		query, grant string
		want         string // Canonical, or the parameter that is refused
	}{
		{"", "", "shards=0,1,2"},
		{"", "where=tenant=a&members=x,tenant", "shards=0,1,2&where=tenant=a&members=tenant,x"},
		{"where=tenant=b", "where=tenant=a", "shards=0,1,2&where=tenant=a&where=tenant=b"}, // passes nothing
		{"where=n<5", "where=tenant=a", "shards=0,1,2&where=n<5&where=tenant=a"},
		{"shards=0,1", "shards=1,2", "shards=1"},
		{"shards=0", "shards=1", "shards"},
		{"members=a,b.c,d", "members=b,d.e,f", "shards=0,1,2&members=b.c,d.e"},
		{"members=a", "members=b", "members"},
		{"where=a=1", "members=b", "where"},
		{"where=b.c=1", "members=b", "shards=0,1,2&where=b.c=1&members=b"},
		{"where=b=1", "members=b.c", "where"},
		{"sample=0.5&by=a", "members=b", "by"},
		{"every=1s&latest=a", "members=b", "latest"},
		{"sample=0.5&by=a", "sample=0.1&by=a", "shards=0,1,2&sample=0.1&by=a"},
		{"sample=0.1&by=a", "sample=0.5&by=a", "shards=0,1,2&sample=0.1&by=a"},
		{"sample=0.5&by=a", "sample=0.1", "sample"},
		{"where=x", "sample=0.1", "shards=0,1,2&where=x&sample=0.1"},
		{"wire=ws&every=1s&latest=a", "wire=ndjson&max_delay=1s", "shards=0,1,2&wire=ws&every=1s&latest=a"},
	} {
		v, _, err := r.Parse(b, args(tt.query))
		if err != nil {
			t.Fatal(err)
		}
		grant, _, err := r.Parse(b, args(tt.grant))
		if err != nil {
			t.Fatal(err)
		}
		narrow, err := r.Narrow(v, grant)
		got, _ := url.QueryUnescape(narrow.Canonical())
		var bad *ParamError
		if errors.As(err, &bad) {
			got = bad.Param
		}
		if got != tt.want {
			t.Errorf("%s within %s: %s, %v; want %s", tt.query, tt.grant, got, err, tt.want)
			continue
		}
		if err != nil {
			continue
		}
		if again, err := r.Narrow(narrow, grant); err != nil || again != narrow {
			t.Errorf("%s within %s, twice, is %s, %v", tt.query, tt.grant, again.Canonical(), err)
		}
	}
}
