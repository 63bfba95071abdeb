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
		{address: "redis://a,[::1],[::2]:3", hosts: "a:6379,[::1]:6379,[::2]:3"},
		{address: "redis://a?addr=b&addr=c:3&db=2&dial_timeout=3s", hosts: "a:6379,b:6379,c:3", db: 2},
		{address: "redis://:p@:7", hosts: "localhost:7", password: "p"},
		{address: "redis:///1", hosts: "localhost:6379", db: 1},
		{address: "redis-sentinel://a,b/main", hosts: "a:26379,b:26379", master: "main"},
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

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ address, want string }{
		{"localhost:6379", "redis://host:port"},
		{"http://host", "scheme is not one of"},
		{"redis://localhost:70000", "port from 1 to 65535"},
		{"redis://localhost:0", "port from 1 to 65535"},
		{"redis://a:6379,b:70000", "port from 1 to 65535"},
		{"redis://a:6379,b:x", "port from 1 to 65535"},
		{"redis://a:6379,,b:6379", "a host is not"},
		{"redis://a:6379,:6380", "a host is not"},
		{"redis://a?addr=b:70000", "port from 1 to 65535"},
		{"redis://a:6379,redis://b:6380", "the scheme is written once"},
		{"redis://a:6379/0?foo=1", "not one of addr, db"},
		{"redis://a:6379/0?max_retries=0", "not one of addr, db"}, // has no effect here
		{"redis://a:6379/0?%zz", "name=value"},
		{"redis://a:6379/0#1", "not a valid URL"},
		{"redis://a:6379/x", "database is not a number"},
		{"redis://a:6379/-1", "database is not a number"},
		{"redis://a:6379/0/1", "database is not a number"},
		{"redis://a:6379?dial_timeout=3", "durations such as"},
		{"redis-sentinel://a:26379", "names a master"},
		{"redis-sentinel://a:26379/main/x", "database is not a number"},
	} {
		if _, err := Parse(tt.address); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%s) = %v; want an error that says %q", tt.address, err, tt.want)
		}
	}
}

func TestParseKeepsThePasswordToItself(t *testing.T) {
	for _, address := range []string{
		"redis://user:hunter2@host:port/0", "http://user:hunter2@host", "redis://user:hunter2@ho st/x", "redis://user:hunter2%zz@host",
		"redis://user:hunter2@host/x/y/z", "redis-sentinel://:hunter2@host", "hunter2", "",
		"redis://user:12/hunter2@host", "redis://user:12?hunter2@host", "redis://user:12#hunter2@host",
		"redis-sentinel://user:12/main/hunter2@host", "redis://host?db=hunter2", "redis://host?sentinel_password=hunter2&x=1",
	} {
		if _, err := Parse(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q): %v; want an error without the password", address, err)
		}
	}
}
