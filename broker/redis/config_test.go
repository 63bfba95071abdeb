package redis

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		address, hosts, user, password, master string
		db                                     int
		tls                                    bool
	}{
		{address: "redis://host:1/2", hosts: "host:1", db: 2},
		{address: "redis://host", hosts: "host:6379"},
		{address: "redis://host/", hosts: "host:6379"},
		{address: "redis://[::1]:5/0", hosts: "[::1]:5"},
		{address: "rediss://u:p%40ss@host:1", hosts: "host:1", user: "u", password: "p@ss", tls: true},
		{address: "redis://:p@host:1", hosts: "host:1", password: "p"},
		{address: "redis://a:1,b:2,c/0", hosts: "a:1,b:2,c:6379"},
		{address: "redis://u:p,q@a:1,b:2", hosts: "a:1,b:2", user: "u", password: "p,q"},
		{address: "redis-sentinel://u:p@a,b:2/main/3", hosts: "a:26379,b:2", user: "u", password: "p", master: "main", db: 3},
		{address: "rediss-sentinel://a:1/main", hosts: "a:1", master: "main", tls: true},
	} {
		t.Run(tt.address, func(t *testing.T) {
			c, err := Parse(tt.address)
			if err != nil {
				t.Fatal(err)
			}
			o := c.option
			if c.String() != tt.hosts || o.Username != tt.user || o.Password != tt.password || o.SelectDB != tt.db ||
				o.Sentinel.MasterSet != tt.master || (o.TLSConfig != nil) != tt.tls {
				t.Errorf("got %s, %q %q, db %d, master %q, TLS %v", c, o.Username, o.Password, o.SelectDB, o.Sentinel.MasterSet, o.TLSConfig != nil)
			}
		})
	}
}

func TestParseKeepsThePasswordToItself(t *testing.T) {
	for _, address := range []string{
		"redis://user:hunter2@host:port/0", "http://user:hunter2@host", "redis://user:hunter2@ho st/x", "redis://user:hunter2%zz@host",
		"redis://user:hunter2@host/x/y/z", "redis-sentinel://:hunter2@host", "hunter2", "",
	} {
		if _, err := Parse(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q): %v; want an error without the password", address, err)
		}
	}
}
