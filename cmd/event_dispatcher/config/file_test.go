package config

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, env map[string]string, args ...string) (*Config, error) {
	t.Helper()
	return Parse(args, func(name string) string { return env[name] }, io.Discard)
}

func TestFlagWinsOverVariableOverFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"a.toml": "max-body = 1000\nshards = 3\nloops = 1\nport = [\":1\", \":2\"]\nkeep-alive = \"7s\"\n",
		"a.json": `{"max-body": 1000, "shards": 3, "loops": 1, "port": [":1", ":2"], "keep-alive": "7s"}`,
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := read(t, map[string]string{"SHARDS": "2", "LOOPS": "3"}, "-config", path, "-loops", "4")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.Transport.MaxBody != 1000 || c.Broker.Shards != 2 || c.Streams.Loops != 4 || len(c.Addrs) != 2 || c.Streams.KeepAlive.Seconds() != 7 {
			t.Errorf("%s: max-body %d, shards %d, loops %d, port %v, keep-alive %v; want 1000 (file), 2 (variable), 4 (flag), two, 7s",
				name, c.Transport.MaxBody, c.Broker.Shards, c.Streams.Loops, c.Addrs, c.Streams.KeepAlive)
		}
		// What is printed is a file that says the same.
		var printed strings.Builder
		if err := c.Write(&printed); err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.toml")
		if err := os.WriteFile(again, []byte(printed.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := read(t, nil, "-config", again)
		if err != nil {
			t.Fatalf("the printed configuration: %v\n%s", err, printed.String())
		}
		var second strings.Builder
		_ = d.Write(&second)
		for _, line := range []string{"max-body = 1000  # file", "shards = 2  # environment", "loops = 4  # flag", "ring-bytes = 67108864  # default"} {
			value, _, _ := strings.Cut(line, "#")
			if !strings.Contains(printed.String(), line+"\n") || line[:4] != "ring" && !strings.Contains(second.String(), value) {
				t.Errorf("printed configuration lacks %q:\n%s", line, printed.String())
			}
		}
	}
}

func TestPrintedConfigurationHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	c, err := read(t, nil, "-redis", "redis://me:hunter2@127.0.0.1:6379/0", "-user-ip-key", "hunter2", "-keep-alive", "0")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_ = c.Write(&b)
	if !strings.Contains(b.String(), "keep-alive = \"0s\"") {
		t.Errorf("printed configuration = %s; want keep-alive as it was given", b.String())
	}
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), "redis://***@127.0.0.1:6379/0") {
		t.Errorf("printed configuration = %s; want the password masked", b.String())
	}
}

// What was printed is refused as long as its masks stand for secrets.
func TestMasksHideEverySecretAndAreNoSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ flag, secret, printed string }{
		{"redis", "redis://me:hunter2@127.0.0.1:1/0", "redis://***@127.0.0.1:1/0"},
		{"redis", "redis://me:hun,ter2@127.0.0.1:1,127.0.0.1:2", "redis://***@127.0.0.1:1,127.0.0.1:2"},
		{"redis", "redis-sentinel://127.0.0.1:1/main?sentinel_user=a&sentinel%5Fpassword=hunter2", "redis-sentinel://127.0.0.1:1/main?sentinel_user=a&sentinel%5Fpassword=***"},
		{"relay", "nats://hunter2@127.0.0.1:1,127.0.0.1:2", "nats://***@127.0.0.1:1,127.0.0.1:2"},
		{"user-ip-key", "hunter2", "***"},
	} {
		c, err := read(t, nil, "-"+tt.flag, tt.secret, "-user-ip", "hash")
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		_ = c.Write(&b)
		if !strings.Contains(b.String(), "\n"+tt.flag+" = \""+tt.printed+"\"") || strings.Contains(b.String(), "ter2") {
			t.Errorf("-%s %s is printed in\n%s\nwant %s", tt.flag, tt.secret, b.String(), tt.printed)
		}
		if _, err := read(t, nil, "-"+tt.flag, tt.printed); err == nil || !strings.Contains(err.Error(), "-"+tt.flag) || !strings.Contains(err.Error(), "-print-config") {
			t.Errorf("-%s %s = %v; want an error that says what *** is", tt.flag, tt.printed, err)
		}
	}
	if _, err := read(t, nil, "-redis", "redis://me:***@127.0.0.1:1,127.0.0.1:2"); err == nil {
		t.Error("the password *** is taken; want an error")
	}
}

func TestMistypedNamesAreMatched(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("max-bodi = 5\nversion = true\nloops = { a = 1 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-prot :1", "did you mean -port?"},
		{"-max-consumer 5", "did you mean -max-consumers?"},
		{"--keepalive 5s", "did you mean -keep-alive?"},
		{"-xyzzy", "not defined: -xyzzy"},
		{"-config " + bad, `no flag "max-bodi": did you mean "max-body"?`},
		{"-config " + bad, `no flag "version"`},
		{"-config " + bad, "loops must be"},
		{"-config /nowhere", "no such file"},
	} {
		if _, err := read(t, nil, strings.Fields(tt.args)...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%s) = %v; want %q", tt.args, err, tt.want)
		}
	}
	if _, err := read(t, nil, "-xyzzy"); strings.Contains(err.Error(), "mean") {
		t.Errorf("Parse(-xyzzy) = %v; want no guess", err)
	}
	c, err := read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Lookalikes([]string{
		"MAX_BODDY=1", "MAX_BODY=1", "REDIS_URL=x", "PROT=1", "PATH=x", "KEEP_ALIVES=1s", "HOME=/", "MY_MAX_BODY=1", "ADDR=x", "PORT=1",
		"ACCES=a", "CONFIG=a", "CHECK=1", "PRINT_CONFIG=1", "VERSION=1", "PRINT_CONFIGS=1",
	})
	want := []string{
		"MAX_BODDY (did you mean MAX_BODY?)", "PROT (did you mean PORT?)", "KEEP_ALIVES (did you mean KEEP_ALIVE?)",
		"ACCES (did you mean ACCESS?)", "CONFIG (-config is a flag only)", "CHECK (-check is a flag only)", "PRINT_CONFIG (-print-config is a flag only)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Lookalikes() = %q; want %q", got, want)
	}
}

func TestWrongValuesAreExplainedByTheirKind(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("max-body = \"256KiB\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"-max-body 256KiB", `-max-body: parse error: want a whole number without a unit, such as 262144`},
		{"-config " + bad, `parse error: want a whole number without a unit, such as 262144`},
		{"-keep-alive 5", `-keep-alive: parse error: want a duration with its unit, such as 10s`},
		{"-cmcd-stop=yes", `-cmcd-stop: parse error: want true or false`},
		{"-client-rate many", `-client-rate: parse error: want a number without a unit, such as 2.5`},
		{"-port abc", `-port: "abc" is not a port from 0 to 65535`},
		{"-port ,", `-port: no address`},
		{"-port abc -healthcheck", `-port: "abc" is not a port from 0 to 65535`},
		{"help", `unexpected argument "help": did you mean -h?`},
		{"tokne", `unexpected argument "tokne": did you mean token?`},
		{"prot 1", `unexpected argument "prot": did you mean -port?`},
		{"nonsense", `unexpected argument "nonsense"`},
	} {
		_, err := read(t, nil, strings.Fields(tt.args)...)
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Parse(%s) = %v; want one line that ends in %q", tt.args, err, tt.want)
		}
	}
	if _, err := read(t, map[string]string{"READ_TIMEOUT": "5"}); err == nil || !strings.HasSuffix(err.Error(), "want a duration with its unit, such as 10s") {
		t.Errorf("READ_TIMEOUT=5: %v; want how a duration is written", err)
	}
}
