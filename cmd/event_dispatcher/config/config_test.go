package config

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// samples are two values of every flag that differ from each other and from the
// default.
var samples = map[string][2]string{
	"port":                  {":1", "127.0.0.1:2,:3"},
	"admin-addr":            {":4", "127.0.0.1:5"},
	"console":               {"off", "off"},
	"access":                {"a.toml", "b.json"},
	"tls-cert":              {"a.pem", "b.pem"},
	"tls-key":               {"a.pem", "b.pem"},
	"admin-tls-cert":        {"a.pem", "b.pem"},
	"admin-tls-key":         {"a.pem", "b.pem"},
	"user-ip":               {"network", "off"},
	"user-ip-key":           {"a", "b"},
	"bodies-bytes":          {"3000000", "4000000"},
	"log-level":             {"debug", "error"},
	"log-format":            {"json", "text"},
	"profile-rate":          {"1", "100"},
	"shards":                {"2", "4"},
	"shard-key":             {"session_id", "user"},
	"ring-bytes":            {"1000000", "2000000"},
	"max-body":              {"1000", "2000"},
	"max-batch":             {"1000", "2000"},
	"add":                   {"event_id", "received_at,event_id"},
	"cmcd-stop":             {"true", "false"},
	"loops":                 {"3", "5"},
	"flush-interval":        {"0", "2ms"},
	"lag-bytes":             {"3000000", "4000000"},
	"keep-alive":            {"0", "9s"},
	"stall-timeout":         {"29s", "1m"},
	"max-consumers":         {"11", "12"},
	"max-views":             {"100", "200"},
	"portable-loops":        {"true", "1"},
	"compress":              {"auto", "ask"},
	"max-general-views":     {"10", "20"},
	"max-compressed-views":  {"10", "20"},
	"max-conditions":        {"10", "20"},
	"max-members":           {"10", "20"},
	"max-query":             {"100", "200"},
	"max-connections":       {"13", "14"},
	"client-connections":    {"17", "18"},
	"read-timeout":          {"1s", "2s"},
	"idle-timeout":          {"61s", "62s"},
	"ingest-rate":           {"1.5", "2e3"},
	"client-rate":           {"0.5", "3"},
	"cors-origins":          {"https://a.example", "https://a.example, http://b.example:8080"},
	"trusted-proxies":       {"10.0.0.0/8", "10.0.0.1,2001:db8::/32"},
	"drain-timeout":         {"31s", "1m"},
	"drain-lead":            {"5s", "10s"},
	"drain-window":          {"0", "4s"},
	"drain-silence":         {"13s", "14s"},
	"redis":                 {"redis://127.0.0.1:1/0", "redis://127.0.0.1:2/1"},
	"relay":                 {"nats://127.0.0.1:1", "nats://127.0.0.1:2"},
	"redis-prefix":          {"a:", "b:"},
	"redis-channel":         {"a", "b"},
	"redis-session-channel": {"a", "b"},
	"redis-outbox-bytes":    {"100000", "200000"},
	"session-ttl":           {"0", "2h"},
	"default-practice":      {"a", "b"},
	"session-grace":         {"1s", "2s"},
	"socket-ping":           {"21s", "22s"},
	"max-sockets":           {"15", "16"},
	"socket-bytes":          {"3000000", "4000000"},
	"session-bytes":         {"3000000", "4000000"},
	"session-absent-bytes":  {"3000000", "4000000"},
	"session-leaving":       {"10", "20"},
	"socket-origins":        {"*", "https://a.example"},
}

// withoutVariable are the flags that ask for one thing instead of serving.
var withoutVariable = map[string]bool{"version": true, "healthcheck": true, "check": true, "print-config": true, "config": true}

// flags are the names that -h lists.
func flags(t *testing.T) (names []string) {
	t.Helper()
	var help bytes.Buffer
	if _, err := Parse([]string{"-h"}, none, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("Parse(-h) = %v; want %v", err, flag.ErrHelp)
	}
	for _, m := range regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
		names = append(names, m[1])
	}
	return names
}

func none(string) string { return "" }

func parse(t *testing.T, args []string, env map[string]string) *Config {
	t.Helper()
	c, err := Parse(args, func(name string) string { return env[name] }, io.Discard)
	if err != nil {
		t.Fatalf("Parse(%q, %v) = %v; want nil", args, env, err)
	}
	c.reading = nil // how it was read; what came out is compared
	return c
}

func TestFlagBeatsEnvironmentBeatsDefault(t *testing.T) {
	t.Parallel()
	def := parse(t, nil, nil)
	names := flags(t)
	if len(names) < 20 {
		t.Fatalf("flags = %q; want all of them", names)
	}
	for _, name := range names {
		env := EnvName(name)
		if withoutVariable[name] {
			if got := parse(t, nil, map[string]string{env: "true"}); !reflect.DeepEqual(got, def) {
				t.Errorf("%s=true = %+v; want no effect", env, got)
			}
			continue
		}
		s, ok := samples[name]
		if !ok {
			t.Errorf("no samples for -%s", name)
			continue
		}
		first, second := parse(t, []string{"-" + name + "=" + s[0]}, nil), parse(t, []string{"-" + name + "=" + s[1]}, nil)
		if reflect.DeepEqual(first, def) || reflect.DeepEqual(first, second) && name != "portable-loops" && name != "console" {
			t.Errorf("-%s=%s and =%s have no effect of their own", name, s[0], s[1])
		}
		for _, tt := range []struct {
			args []string
			env  string
			want *Config
		}{
			{nil, s[0], first},
			{nil, s[1], second},
			{nil, "", def},
			{[]string{"-" + name + "=" + s[0]}, s[1], first},
			{[]string{"--" + name + "=" + s[1]}, s[0], second},
		} {
			if got := parse(t, tt.args, map[string]string{env: tt.env}); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s=%s, args %q = %+v; want %+v", env, tt.env, tt.args, got, tt.want)
			}
		}
	}
	// A boolean flag that is given as false beats its variable.
	if parse(t, []string{"-portable-loops=false"}, map[string]string{"PORTABLE_LOOPS": "true"}).Streams.Portable {
		t.Errorf("-portable-loops=false with PORTABLE_LOOPS=true = true; want false")
	}
}

func TestListsAndAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		got  func(*Config) any
		want any
	}{
		{"", func(c *Config) any { return c.Addrs }, []string{":3569"}},
		{"-port 8123", func(c *Config) any { return c.Addrs }, []string{":8123"}},
		{"-port :3569,:8123", func(c *Config) any { return c.Addrs }, []string{":3569", ":8123"}},
		{"-port localhost:0,,8123,", func(c *Config) any { return c.Addrs }, []string{"localhost:0", ":8123"}},
		{"-port [::1]:3569", func(c *Config) any { return c.Addrs }, []string{"[::1]:3569"}},
		{"-admin-addr 9000", func(c *Config) any { return c.AdminAddr }, ":9000"},
		{"-port 127.0.0.1:0 -admin-addr 127.0.0.1:0", func(c *Config) any { return c.AdminAddr }, "127.0.0.1:0"},
		{"-port 127.0.0.1:81 -admin-addr 127.0.0.2:81", func(c *Config) any { return c.AdminAddr }, "127.0.0.2:81"},
		{"-cors-origins https://A.Example,http://b:81,", func(c *Config) any { return c.Transport.Origins }, []string{"https://a.example", "http://b:81"}},
		{"-trusted-proxies 10.0.0.0/8,::1", func(c *Config) any { return c.Transport.TrustedProxies },
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
		{"", func(c *Config) any { return c.HealthURL }, ""},
		{"-healthcheck", func(c *Config) any { return c.HealthURL }, "http://localhost:3569/readyz"},
		{"-healthcheck -port 127.0.0.2:81,:82", func(c *Config) any { return c.HealthURL }, "http://127.0.0.2:81/readyz"},
		{"-healthcheck -port 0.0.0.0:81", func(c *Config) any { return c.HealthURL }, "http://localhost:81/readyz"},
		{"-healthcheck -port [::]:81", func(c *Config) any { return c.HealthURL }, "http://localhost:81/readyz"},
		{"-healthcheck -admin-addr :83", func(c *Config) any { return c.HealthURL }, "http://localhost:83/readyz"},
		{"-version", func(c *Config) any { return c.Version }, true},
	} {
		if got := tt.got(parse(t, strings.Fields(tt.args), nil)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Parse(%s) = %v; want %v", tt.args, got, tt.want)
		}
	}
}

func TestFlagsThatNeedRedisAreNotedWithoutIt(t *testing.T) {
	t.Parallel()
	env := map[string]string{"REDIS_PREFIX": "a:"}
	if got, want := parse(t, []string{"-redis-channel", "a", "-session-ttl", "2h"}, env).Idle, []string{"-redis-channel", "-redis-prefix"}; !reflect.DeepEqual(got, want) {
		t.Errorf("without -redis: %q; want %q", got, want)
	}
	if got := parse(t, []string{"-redis-channel", "a", "-redis", "redis://127.0.0.1:1"}, env).Idle; got != nil {
		t.Errorf("with -redis: %q; want none", got)
	}
}

// A subject of NATS has no prefix and no number of a database.
func TestDeploymentsThatWouldMixAreTold(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"-redis redis://h":                                       false,
		"-redis redis://h/1 -redis-prefix a:":                    false,
		"-relay nats://h -redis redis://h":                       false,
		"-relay nats://h -redis redis://h/1":                     true,
		"-relay nats://h -redis redis://h -redis-prefix a:":      true,
		"-relay nats://h -redis redis://h/1 -redis-channel mine": false,
	} {
		if got := parse(t, strings.Fields(args), nil).Mixes; (got != "") != want {
			t.Errorf("%s: %q; want a warning: %v", args, got, want)
		}
	}
}

// Pub/Sub knows no databases and no prefixes: the channels' names keep deployments apart
// that share a Redis. Names that are given, and those without either, stay.
func TestChannelsTellDeploymentsApart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, players, sessions string }{
		{"-redis redis://h", "event-dispatcher", "my-redis-channel"},
		{"-redis redis://h/0", "event-dispatcher", "my-redis-channel"},
		{"-redis redis://h/1", "event-dispatcher@1", "my-redis-channel@1"},
		{"-redis redis://h -redis-prefix a:", "a:event-dispatcher", "a:my-redis-channel"},
		{"-redis redis://h/2 -redis-prefix a:", "a:event-dispatcher@2", "a:my-redis-channel@2"},
		{"-redis redis://h/2 -redis-session-channel my-redis-channel", "event-dispatcher@2", "my-redis-channel"},
		{"-redis redis://h/2 -redis-channel c", "c", "my-redis-channel@2"},
		{"-redis redis://h/2 -relay nats://h", "event-dispatcher", "my-redis-channel@2"},
	} {
		c := parse(t, strings.Fields(tt.args), nil)
		if got := c.Relay.Channel; got != tt.players || c.Relay.SessionChannel != tt.sessions {
			t.Errorf("%s: channels %q, %q; want %q, %q", tt.args, got, c.Relay.SessionChannel, tt.players, tt.sessions)
		}
	}
}
