package config

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestParseRefusesNonsense(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-url http://192.0.2.1:80", "127.0.0.0/8"},
		{"-url http://example.org:80", "127.0.0.0/8"},
		{"-url https://127.0.0.1:80", "want http://"},
		{"-url http://127.0.0.1", "want http://"},
		{"-url http://127.0.0.1:99999", "no such port"},
		{"-listen http://192.0.2.1:80", "127.0.0.0/8"},
		{"-listen 127.0.0.1:80", "-listen"},
		{"-listen http://127.0.0.1:80 -reconnect 1", "-reconnect"},
		{"-url http://127.0.0.1:80,http://192.0.2.1:80", "127.0.0.0/8"},
		{"-url http://127.0.0.1:80,http://127.0.0.1:81 -sockets 1", "one instance"},
		{"-url http://127.0.0.1:80,http://127.0.0.1:81 -reconnect 1", "-reconnect"},
		{"-pid 1,x", "processes"},
		{"-pid 0", "processes"},
		{"-sockets -1", "-sockets"},
		{"-sockets 20000", "descriptors"},
		{"-socket-path ws", "begin with /"},
		{"-rate fast", `"max"`},
		{"-rate -1", `"max"`},
		{"-rate NaN", `"max"`},
		{"-size 10", "-size"},
		{"-consumers -1", "-consumers"},
		{"-consumers 2 -stalled 3", "more than"},
		{"-consumers 99999", "descriptors"},
		{"-consumers 0 -rate 0", "nothing to do"},
		{"-unload 2", "-unload"},
		{"-duration 0s", "-duration"},
		{"-duration 2h", "-duration"},
		{"-pipeline 0", "-pipeline"},
		{"-post metrics", "begin with /"},
		{"extra", "unexpected"},
	} {
		if _, err := Parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q) = %v, want an error about %q", tt.args, err, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	c, err := Parse(strings.Fields("-url http://localhost:1234 -rate max -consumers 5 -stalled 2 -sample -1"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Targets) != 1 || c.Targets[0].String() != "127.0.0.1:1234" {
		t.Errorf("targets %v, want 127.0.0.1:1234", c.Targets)
	}
	if !c.Rate.Max || !c.Players() || !c.Uniform() {
		t.Errorf("rate %v, players %v, uniform %v; want max, true, true", &c.Rate, c.Players(), c.Uniform())
	}
	if c.Sample != 3 {
		t.Errorf("all of 5 with 2 stalled are %d samples, want 3", c.Sample)
	}
	if !slices.Equal(c.ListenTargets, c.Targets) {
		t.Errorf("without -listen consumers are at %v, want %v", c.ListenTargets, c.Targets)
	}
	c, err = Parse(strings.Fields("-url http://127.0.0.1:1,http://127.0.0.1:2 -listen http://127.0.0.2:80 -pid 12,7 -consumers 0 -rate 0 -sockets 3"), io.Discard)
	if err != nil || len(c.Targets) != 2 || len(c.ListenTargets) != 1 || c.ListenTargets[0].String() != "127.0.0.2:80" || c.PIDs.String() != "12,7" || c.Sockets != 3 {
		t.Errorf("post at %v, listen at %v, processes %v, %d sockets, %v", c.Targets, c.ListenTargets, &c.PIDs, c.Sockets, err)
	}
	if c, err = Parse([]string{"-rate", "0"}, io.Discard); err != nil || c.Players() {
		t.Errorf("-rate 0: players %v, %v; want none", c.Players(), err)
	}
}
