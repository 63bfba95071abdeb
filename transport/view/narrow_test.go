package view

import (
	"errors"
	"fmt"
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
		{"shards=0", "members=b", "shards"}, // a hash of the member that picks the shard
		{"shards=0", "members=b,key", "shards=0&members=b,key"},
		{"shards=0", "members=key.a", "shards"},
		{"shards=1", "shards=1&members=b", "shards=1&members=b"},
		{"shards=1,2", "shards=1,2&members=b", "shards=1,2&members=b"},
		{"shards=1", "shards=1,2&members=b", "shards"},
		{"ids=1", "members=b", "ids"},
		{"ids=1", "members=b,key", "shards=0,1,2&members=b,key&ids=1"},
		{"ids=1", "shards=1&members=b", "shards=1&members=b&ids=1"},
		{"ids=1", "where=b=1", "shards=0,1,2&where=b=1&ids=1"},
		{"where=a=1", "members=b", "where"},
		{"where=b.c=1", "members=b", "shards=0,1,2&where=b.c=1&members=b"},
		{"where=b=1", "members=b.c", "where"},
		{"sample=0.5&by=a", "members=b", "by"},
		{"sample=0.5", "members=b", "sample"}, // a hash of what is hidden, too
		{"sample=1", "members=b", "shards=0,1,2&members=b"},
		{"sample=0.5&by=b", "members=b", "shards=0,1,2&sample=0.5&by=b&members=b"},
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
		narrow, err := Narrow(v, "key", grant)
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
		if narrow, err = r.Intern(narrow); err != nil {
			t.Fatal(err)
		}
		again, err := Narrow(narrow, "key", grant)
		if again, _ = r.Intern(again); err != nil || again != narrow {
			t.Errorf("%s within %s, twice, is %s, %v", tt.query, tt.grant, again.Canonical(), err)
		}
	}
}

// An issuer's view and that of its token may each speak of what the other hides.
func TestNarrowByMoreThanOneGrant(t *testing.T) {
	b, r := newBroker(t), NewRegistry(Options{})
	view := func(query string) View {
		v, _, err := r.Parse(b, args(query))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tenant, sampled, members := view("where=tenant=a"), view("sample=0.5"), view("members=x")
	for _, grants := range [][]View{{tenant, sampled, members}, {members, tenant, sampled}} {
		v, err := Narrow(view("where=x"), "", grants...)
		got, _ := url.QueryUnescape(v.Canonical())
		if want := "shards=0,1,2&where=tenant=a&where=x&sample=0.5&members=x"; err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
		if v, err := Narrow(view("where=tenant=b"), "", grants...); err == nil {
			t.Errorf("a condition on a hidden member is served: %s", v.Canonical())
		}
	}
}

// What a consumer with a grant of members sees of an event does not depend on what is
// hidden from it, whatever it samples by.
func TestWhatIsHiddenDoesNotDecideWhoSeesAnEvent(t *testing.T) {
	b, r := newBroker(t), NewRegistry(Options{})
	grant, _, err := r.Parse(b, args("members=session_id"))
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, query := range []string{"sample=%g", "sample=%g&by=session_id", "sample=%g&by=user_ip"} {
		for k := range 30 {
			v, _, err := r.Parse(b, args(fmt.Sprintf(query, float64(k+1)/31)))
			if err != nil {
				t.Fatal(err)
			}
			if v, err = Narrow(v, "key", grant); err != nil {
				continue
			}
			told++
			first := v.Select.Match([]byte(`{"session_id":"s","user_ip":"192.0.2.0"}`))
			for ip := range 256 {
				event := fmt.Appendf(nil, `{"session_id":"s","user_ip":"192.0.2.%d"}`, ip)
				if v.Select.Match(event) != first {
					t.Fatalf("%s of 192.0.2.0 passes: %v; 192.0.2.%d not so", v.Canonical(), first, ip)
				}
			}
		}
	}
	if told != 30 {
		t.Errorf("%d samples are served; want those by a member that is granted", told)
	}
}
