//go:build unix

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A site is a proxy that runs with its file of deploy/proxies, in front of one
// instance.
type site struct {
	tls, plain string // addresses; the second one is added for clients that know no certificate of ours
	cert       string // a file
}

// proxies are those that can run here.
var proxies = map[string]func(t testing.TB, instance string) site{"nginx": behindNginx, "haproxy": behindHaproxy, "caddy": behindCaddy}

// replaced is a file of deploy/proxies with other addresses.
func replaced(t testing.TB, name string, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../deploy/proxies", name))
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for i := 0; i < len(changes); i += 2 {
		if strings.Count(config, changes[i]) != 1 {
			t.Fatalf("deploy/proxies/%s has %q %d times; want once", name, changes[i], strings.Count(config, changes[i]))
		}
		config = strings.Replace(config, changes[i], changes[i+1], 1)
	}
	return config
}

// directory has these files.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contents(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func behindNginx(t testing.TB, instance string) site {
	t.Helper()
	s := newSite(t)
	own := newIdentity(t)
	cert, key := own.cert, own.key
	s.cert = cert
	dir := directory(t, map[string]string{
		"tls/cert.pem": contents(t, cert), "tls/key.pem": contents(t, key),
		"upstream.conf": "server " + instance + " max_fails=0;\n",
		"nginx.conf":    "",
	})
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	config := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr;\n" + replaced(t, "nginx.conf",
		"listen 443 ssl http2;", "listen "+s.tls+" ssl http2; listen "+s.plain+";",
		"\nhttp {\n", "\nhttp {\n"+temporary,
		"worker_rlimit_nofile 65536;", "", // as many as the tests have
		"worker_connections 32768;", "worker_connections 512;",
	)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.begin(t, dir, daemon(t, "nginx"), "-p", dir, "-e", "stderr", "-c", file)
	return s
}

func behindHaproxy(t testing.TB, instance string) site {
	t.Helper()
	s := newSite(t)
	own := newIdentity(t)
	cert, key := own.cert, own.key
	s.cert = cert
	_, port, _ := net.SplitHostPort(instance)
	dir := directory(t, map[string]string{
		"tls/both.pem": contents(t, cert) + contents(t, key),
		"haproxy.cfg": replaced(t, "haproxy.cfg",
			"bind :443 ssl", "bind "+s.plain+"\n    bind "+s.tls+" ssl",
			"maxconn 65536", "maxconn 500",
			"server one 10.0.0.1:3569 check port 9090", "server one "+instance+" check port "+port,
			"server two 10.0.0.2:3569 check port 9090", "server two "+instance+" check port "+port,
		),
	})
	s.begin(t, dir, daemon(t, "haproxy"), "-db", "-dR", "-f", "haproxy.cfg")
	return s
}

// builtCaddy is the command that runs Caddy, which is no package of Debian's: go builds
// it, once. Where its module cannot be had, the test is skipped.
func builtCaddy(t testing.TB) []string {
	t.Helper()
	const module, version = "github.com/caddyserver/caddy/v2", "@v2.11.9"
	if out, err := exec.Command("go", "mod", "download", module+version).CombinedOutput(); err != nil {
		notRun(t, "needs "+module+version+", which cannot be had: "+string(out))
	}
	command := []string{"go", "run", module + "/cmd/caddy" + version}
	if out, err := exec.Command(command[0], append(command[1:], "version")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return command
}

// behindCaddy takes the file as it is: it reads its addresses from the environment. Its
// certificate is of an authority of its own, which it does not tell the system of.
func behindCaddy(t testing.TB, instance string) site {
	t.Helper()
	s := newSite(t)
	_, port, _ := net.SplitHostPort(instance)
	dir := directory(t, map[string]string{"Caddyfile": "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n" + replaced(t, "Caddyfile")})
	s.cert = filepath.Join(dir, "caddy/pki/authorities/local/root.crt")
	s.begin(t, dir, "env", append(append([]string{"SITE=https://" + s.tls + " http://" + s.plain, "INSTANCES=" + instance, "HEALTH_PORT=" + port,
		"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, builtCaddy(t)...), "run", "--config", "Caddyfile")...)
	eventually(t, "Caddy has its certificate", func() bool {
		return exec.Command("curl", "-sf", "--cacert", s.cert, "https://"+s.tls+"/livez").Run() == nil
	})
	return s
}

func newSite(t testing.TB) site { return site{tls: free(t), plain: free(t)} }

// begin runs the proxy in a directory until the test ends.
func (s *site) begin(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	out, _ := running(t, dir, program, args...)
	for _, addr := range []string{s.plain, s.tls} {
		eventually(t, program+" listens", func() bool {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	eventually(t, program+" reaches the instance", func() bool {
		return exec.Command("curl", "-sf", "http://"+s.plain+"/livez").Run() == nil
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said\n%.2000s", program, out)
		}
	})
}

// daemon finds a program that may be in sbin, which a bare PATH lacks.
func daemon(t testing.TB, name string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: sh e2e/run.sh installs what these tests need", name)
	return ""
}
