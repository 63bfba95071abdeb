//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/access"
)

// -check says of the files what a start would say, and neither goes on.
func TestCheckReadsTheFilesAsAStartDoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, hash := access.NewToken()
	token := fmt.Sprintf("[[tokens]]\nname = \"a\"\nsha256 = %q\nroles = [\"consume\"]\n", hash)
	pair := func(name string, expires time.Duration) (cert, key string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		return testkit.Certificate(t, filepath.Join(dir, name), time.Now().Add(expires))
	}
	cert, key := pair("good", time.Hour)
	_, otherKey := pair("other", time.Hour)
	oldCert, oldKey := pair("old", -time.Hour)
	for _, tt := range []struct {
		name string
		args []string
		want []string // in what is said; nil: all is right
		warn string
	}{
		{"good files", []string{"-access", file("good.toml", token+"view = \"where=tenant=a\"\n"), "-tls-cert", cert, "-tls-key", key}, nil, ""},
		{"a certificate that has expired", []string{"-tls-cert", oldCert, "-tls-key", oldKey}, nil, "has expired"},
		{"a token that has expired", []string{"-access", file("expired.toml", token+"expires = 2025-01-01T00:00:00Z\n")}, nil, "tokens of the access file have expired"},
		{"a time in quotes that is none", []string{"-access", file("time.toml", token+"expires = \"2027-01-01\"\n")}, []string{"-access", "line 5", "tokens.expires", "2027-01-01T00:00:00Z"}, ""},
		{"roles that are no list", []string{"-access", file("list.toml", strings.Replace(token, `["consume"]`, `"consume"`, 1))}, []string{"-access", "line 4", "tokens.roles", `["consume"]`}, ""},
		{"no access file", []string{"-access", filepath.Join(dir, "none.toml")}, []string{"-access", "none.toml", "no such file"}, ""},
		{"an access file cut off", []string{"-access", file("cut.toml", token[:20])}, []string{"-access", "cut.toml", "line 2"}, ""},
		{"an unknown key", []string{"-access", file("key.toml", token+"rols = []\n")}, []string{"-access", `"tokens.rols"`, "spelled"}, ""},
		{"a token for its hash", []string{"-access", file("hash.toml", strings.Replace(token, hash, "ed_secret", 1))}, []string{"-access", "64 hexadecimal", "event_dispatcher token"}, ""},
		{"no roles", []string{"-access", file("roles.toml", strings.Replace(token, `"consume"`, "", 1))}, []string{"-access", "roles", "publish, consume, operate"}, ""},
		{"a view of a shard that is not there", []string{"-access", file("view.toml", token+"view = \"shards=7\"\n")}, []string{"-access", "view", "shards"}, ""},
		{"keys that are not there", []string{"-access", file("issuer.toml", "[[issuers]]\nname='i'\nissuer='i'\naudience='a'\nroles=['consume']\njwks='keys.json'\n")}, []string{"-access", "keys.json", "no such file"}, ""},
		{"a key of another certificate", []string{"-tls-cert", cert, "-tls-key", otherKey}, []string{"-tls-cert", "-tls-key", "does not match", "the key is that one's"}, ""},
		{"the two in each other's place", []string{"-tls-cert", key, "-tls-key", cert}, []string{"-tls-cert", "-tls-key"}, ""},
		{"a certificate alone", []string{"-tls-cert", cert}, []string{"-tls-cert and -tls-key", "one is missing"}, ""},
		{"operators: a key of another certificate", []string{"-admin-addr", "127.0.0.1:0", "-admin-tls-cert", cert, "-admin-tls-key", otherKey}, []string{"-admin-tls-cert", "does not match"}, ""},
	} {
		for _, start := range []bool{false, true} {
			if start && tt.want == nil {
				continue // it would serve
			}
			args := append([]string{"-port", "127.0.0.1:0"}, tt.args...)
			if !start {
				args = append(args, "-check")
			}
			cmd := program.Command(t, nil, args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
			cmd.Run()
			limit.Stop()
			code := cmd.ProcessState.ExitCode()
			if tt.want == nil {
				if code != 0 || !strings.Contains(stdout.String(), "configuration OK") || !strings.Contains(stderr.String(), tt.warn) {
					t.Errorf("%s: exit %d, stdout %q, stderr %q; want 0, configuration OK, %q", tt.name, code, &stdout, &stderr, tt.warn)
				}
				continue
			}
			for _, want := range tt.want {
				if code != 2 || !strings.Contains(stderr.String(), want) || strings.Contains(stderr.String(), "ed_secret") {
					t.Errorf("%s, start %v: exit %d, stderr %q; want 2 and %q, and no secret", tt.name, start, code, &stderr, want)
				}
			}
		}
	}
}
