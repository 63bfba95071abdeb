//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A tab is a page in Chromium of which everything is known: what it asked for, what
// went wrong in it, and how long it was busy without a pause.
type tab struct {
	t     testing.TB
	ctx   context.Context
	close func() // ends its Chromium

	mu     sync.Mutex
	asked  []string // addresses
	loaded float64  // bytes, of bodies that ended
	wrong  []string // exceptions
}

// watch runs in each page before its own scripts: tasks of more than 50 ms, and what
// the page's policy forbade.
const watch = `window.longTasks = []; new PerformanceObserver(l => l.getEntries().forEach(e => longTasks.push(Math.round(e.duration)))).observe({type: "longtask", buffered: true});
	window.forbidden = []; addEventListener("securitypolicyviolation", e => forbidden.push(e.violatedDirective + " " + e.blockedURI));`

// visit opens a page in a Chromium of its own.
func visit(t testing.TB, address string, width, height int64) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	timed, end := context.WithTimeout(ctx, 4*patience)
	b := &tab{t: t, ctx: timed, close: sync.OnceFunc(func() { end(); cancel(); stop() })}
	t.Cleanup(b.close)
	if err := chromedp.Listen(timed, b.note); err != nil {
		t.Fatal(err)
	}
	b.act(func(ctx context.Context, to *chromedp.Target) (err error) {
		if _, err = cdp.Call(ctx, to, network.Enable, network.EnableParams{}); err == nil {
			_, err = cdp.Call(ctx, to, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
		}
		if err == nil { // it is in front, and has the keyboard
			_, err = cdp.Call(ctx, to, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		}
		return err
	})
	b.resize(width, height)
	if err := chromedp.Do(timed, chromedp.Navigate(address)); err != nil {
		t.Fatalf("Chromium at %s: %v", address, err)
	}
	return b
}

func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *network.EventLoadingFinished:
		b.loaded += e.EncodedDataLength
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, e.ExceptionDetails.Text)
	}
}

func (b *tab) act(f func(context.Context, *chromedp.Target) error) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Func(f)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) resize(width, height int64) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height)); err != nil {
		b.t.Fatal(err)
	}
}

// prefer has the page think that its reader likes light or dark colours.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	b.act(func(ctx context.Context, to *chromedp.Target) error {
		liked := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		_, err := cdp.Call(ctx, to, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: liked})
		return err
	})
}

// eval runs a script in the page; it may answer with a promise.
func eval[T any](b *tab, script string) (result T) {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise))
	if err == nil && len(value) > 0 {
		err = json.Unmarshal(value, &result)
	}
	if err != nil {
		b.t.Fatalf("in Chromium: %.80s: %v", script, err)
	}
	return result
}

// until waits for a condition of the page.
func (b *tab) until(what, condition string) {
	b.t.Helper()
	eventually(b.t, what+": "+condition, func() bool { return eval[bool](b, "!!("+condition+")") })
}

// fine holds the page to have asked one host only, and that nothing went wrong in it.
func (b *tab) fine(host string) {
	b.t.Helper()
	if got := eval[[]string](b, "forbidden"); len(got) > 0 {
		b.t.Errorf("the page tried what its policy forbids: %v", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, address := range b.asked {
		if u, err := url.Parse(address); err != nil || u.Host != host {
			b.t.Errorf("the page asked for %s; want nothing but %s", address, host)
		}
	}
	for _, text := range b.wrong {
		b.t.Errorf("an exception in the page: %s", text)
	}
}

// accessible has axe-core look for what keeps people out.
func (b *tab) accessible(when string) {
	b.t.Helper()
	script, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.t.Fatal(err)
	}
	eval[any](b, string(script)+";0")
	type violation struct{ Id, Help, Nodes string }
	for _, v := range eval[[]violation](b, `axe.run().then(r => r.violations.map(v => ({Id: v.id, Help: v.help, Nodes: v.nodes.map(n => n.target + ": " + n.failureSummary).join("\n")})))`) {
		b.t.Errorf("%s, axe finds %s (%s) at %s", when, v.Id, v.Help, v.Nodes)
	}
}

// shot takes a picture of what is in view. SHOTS=1 keeps it in docs/img.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := b.t.TempDir()
	if os.Getenv("SHOTS") != "" {
		dir = "../docs/img"
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
