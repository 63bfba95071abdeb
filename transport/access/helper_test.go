package access

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hexHash(token string) string {
	h := hashOf([]byte(token))
	return hex.EncodeToString(h[:])
}

// write replaces the access file as editors and orchestrators do.
func write(t testing.TB, path, text string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func fileWith(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, text)
	return path
}

// open opens a gate over a TOML file, and returns its path and its log.
func open(t testing.TB, text string) (*Gate, string, *observer.ObservedLogs) {
	t.Helper()
	path := fileWith(t, "access.toml", text)
	core, logs := observer.New(zap.DebugLevel)
	g, err := Open(Options{Path: path, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, path, logs
}

// A credentials is what a request brings.
type credentials struct {
	authorization []string
	query         string
	protocols     string
}

func bearing(token string) credentials {
	return credentials{authorization: []string{"Bearer " + token}}
}

func request(c credentials) *fasthttp.RequestCtx {
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&fasthttp.Request{}, nil, nil)
	ctx.Request.SetRequestURI("/events?" + c.query)
	for _, line := range c.authorization {
		ctx.Request.Header.Add("Authorization", line)
	}
	if c.protocols != "" {
		ctx.Request.Header.Set("Sec-WebSocket-Protocol", c.protocols)
	}
	return ctx
}

// ask is a check without a connection.
func (g *Gate) ask(c credentials, need Right) (*Grant, Refusal) {
	return g.Check(request(c), nil, need)
}

// watch is that of a stream which is served at once.
func (g *Gate) watch(grant *Grant, ended func(Ending)) (*Watch, bool) {
	w, ok := g.Watch(grant)
	if ok {
		w.then(ended)
	}
	return w, ok
}
