//go:build unix

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An EventSource ends for good at an answer that is not 200. Behind a proxy with the
// documented configuration sixteen of them live through a kill and an absence that is
// longer than they wait.
func TestEventSourcesOfABrowserSurviveAnAbsence(t *testing.T) {
	for _, proxy := range []struct {
		name, listen, server string
		args                 func(dir, config string) []string
	}{
		{"nginx", "listen 80;", "server 127.0.0.1:3569 ", func(dir, config string) []string {
			main := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\n"
			for _, temporary := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				main += temporary + "_temp_path " + dir + "/" + temporary + ";\n"
			}
			return []string{"-p", dir, "-e", "stderr", "-c", file(t, dir, main+config+"\n}\n")}
		}},
		{"haproxy", "bind :80", "server one 127.0.0.1:3569 ", func(dir, config string) []string {
			return []string{"-db", "-f", file(t, dir, config)}
		}},
	} {
		t.Run(proxy.name, func(t *testing.T) {
			text, err := os.ReadFile("../docs/operations.md")
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(text), "\n```"+proxy.name+"\n")
			config, _, ok := strings.Cut(rest, "\n```\n")
			if !ok || strings.Count(config, proxy.listen) != 1 || strings.Count(config, proxy.server) != 1 {
				t.Fatalf("docs/operations.md has no configuration of %s with %q and %q", proxy.name, proxy.listen, proxy.server)
			}
			cmd, addr := startAgain(t, "127.0.0.1:0")
			port := freePort(t)
			config = strings.Replace(config, proxy.listen, strings.Replace(proxy.listen, "80", port, 1), 1)
			config = strings.Replace(config, "127.0.0.1:3569", addr, 1)
			run(t, os.Stderr, os.Stderr, proxy.name, proxy.args(t.TempDir(), config+"\n")...)
			eventually(t, "the proxy listens", func() bool {
				resp, err := http.Get("http://127.0.0.1:" + port + "/health")
				if err != nil {
					return false
				}
				resp.Body.Close()
				return resp.StatusCode == 200
			})

			// A browser has six connections for a host, so each has a host of its own.
			do := browse(t, "http://127.0.0.1:"+port+"/health")
			do(`got = Array(16).fill(0); opened = Array(16).fill(0); sources = got.map((_, i) => {
				const s = new EventSource("http://127.0.0." + (i + 1) + ":" + location.port + "/events");
				s.onopen = () => opened[i]++; s.onmessage = () => got[i]++; return s }); 0`, nil)
			var n int
			eventually(t, "all are open", func() bool { do("opened.filter(n => n > 0).length", &n); return n == 16 })
			cmd.Process.Signal(syscall.SIGKILL)
			time.Sleep(6 * time.Second)
			startAgain(t, addr)
			var closed int
			eventually(t, "all get events again, or are closed for good", func() bool {
				resp, err := http.Post("http://"+addr+"/metrics", "text/plain", strings.NewReader("{}"))
				if err == nil {
					resp.Body.Close()
				}
				do("sources.filter(s => s.readyState == 2).length", &closed)
				do("got.filter(n => n > 0).length", &n)
				return n+closed == 16
			})
			if closed > 0 {
				t.Errorf("%d of 16 EventSources are closed for good; want none", closed)
			}
			t.Logf("%d of 16 get events again", n)
		})
	}
}

func file(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "proxy.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)
}
