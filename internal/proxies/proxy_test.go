//go:build linux

package proxies

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"event-dispatcher/internal/program"
	"event-dispatcher/internal/testkit"
)

// A kind is a proxy with the configuration that the documentation shows.
type kind struct {
	name string

	// What stands in the documented configuration for the proxy's address and
	// for the service's.
	listen, server string

	// What begins the part that takes requests, what ends it, and what in it makes
	// the proxy give up soon when a request does not go on.
	begin, end, hurry string

	// arguments are those that have the program run the configuration.
	arguments func(t testing.TB, config string) []string
}

var kinds = []kind{
	{name: "nginx", listen: "listen 80;", server: "server 127.0.0.1:3569 max_fails=0;", arguments: nginx,
		begin: "server {\n", end: "\n}\n", hurry: "client_header_timeout 200ms; client_body_timeout 200ms; keepalive_timeout 200ms;\n"},
	{name: "haproxy", listen: "bind :80", server: "server one 127.0.0.1:3569 check", arguments: haproxy,
		begin: "frontend players\n", end: "default_backend dispatcher\n", hurry: "timeout client 200ms\ntimeout http-request 200ms\ntimeout http-keep-alive 200ms\n"},
}

// nginx is one process that writes nothing outside its directory.
func nginx(t testing.TB, config string) []string {
	dir := t.TempDir()
	main := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr;\n" +
		"events { worker_connections 512; }\nhttp {\naccess_log off;\n"
	for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += temporary + "_temp_path " + dir + "/" + temporary + ";\n"
	}
	return []string{"-p", dir, "-e", "stderr", "-c", write(t, dir, main+config+"\n}\n")}
}

// haproxy stays in the foreground, and does not share its port.
func haproxy(t testing.TB, config string) []string {
	return []string{"-db", "-dR", "-f", write(t, t.TempDir(), config)}
}

func write(t testing.TB, dir, config string) string {
	t.Helper()
	path := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// documented is the configuration of a proxy in the documentation.
func documented(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n```"+name+"\n")
	config, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		t.Fatalf("docs/operations.md has no block ```%s", name)
	}
	return config + "\n"
}

// A proxy is running, in front of a service.
type proxy struct {
	*program.Process
	t      testing.TB
	addr   string
	probes string // the address of a listener that gives up soon
}

// in runs the proxy in front of a service. Each change is a text of the
// configuration and what stands in its place.
func (k kind) in(t testing.TB, s *service, changes ...[2]string) *proxy {
	t.Helper()
	daemon := testkit.Daemon(t, k.name)
	for try := 1; ; try++ {
		addr, probes := freeAddr(t), freeAddr(t)
		config := documented(t, k.name)
		for _, c := range append([][2]string{
			{k.listen, strings.NewReplacer(":80", addr, " 80", " "+addr).Replace(k.listen)},
			{k.server, strings.Replace(k.server, "127.0.0.1:3569", s.addr, 1)},
		}, changes...) {
			if strings.Count(config, c[0]) != 1 {
				t.Fatalf("the documented configuration of %s has %q %d times; want once", k.name, c[0], strings.Count(config, c[0]))
			}
			config = strings.Replace(config, c[0], c[1], 1)
		}
		args := k.arguments(t, k.withProbes(t, config, addr, probes))
		p := &proxy{Process: program.Launch(t, exec.Command(daemon, args...)), t: t, addr: addr, probes: probes}
		testkit.Eventually(t, k.name+" listens", func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil || p.HasEnded()
		})
		if !p.HasEnded() {
			return p
		}
		if try == 5 { // somebody may have taken the port in between
			t.Fatalf("%s does not start:\n%s", k.name, p.Log)
		}
	}
}

// withProbes adds a second listener, which shares the connections to the service.
func (k kind) withProbes(t testing.TB, config, addr, probes string) string {
	t.Helper()
	_, rest, found := strings.Cut(config, k.begin)
	part, _, ended := strings.Cut(rest, k.end)
	if !found || !ended {
		t.Fatalf("the configuration of %s has no part from %q to %q", k.name, k.begin, k.end)
	}
	part = strings.Replace(part, addr, probes, 1)
	return config + strings.Replace(k.begin, "players", "probes", 1) + k.hurry + part + k.end
}
