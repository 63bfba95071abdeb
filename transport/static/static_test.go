package static

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

func TestFilesAreServedOnceAndPlainOrCompressed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("let a = 1;\n", 200)
	f := New(fstest.MapFS{"a.js": {Data: []byte(long)}, "b.css": {Data: []byte("a{}")}})
	serve := func(name string, headers ...string) *fasthttp.RequestCtx {
		var ctx fasthttp.RequestCtx
		for i := 0; i < len(headers); i += 2 {
			ctx.Request.Header.Set(headers[i], headers[i+1])
		}
		f.Serve(&ctx, name, Policy)
		return &ctx
	}
	plain := serve("a.js")
	if string(plain.Response.Body()) != long || len(plain.Response.Header.Peek("Content-Encoding")) > 0 {
		t.Errorf("without Accept-Encoding: %d bytes, encoding %q; want the file as it is", len(plain.Response.Body()), plain.Response.Header.Peek("Content-Encoding"))
	}
	small := serve("a.js", "Accept-Encoding", "br, gzip")
	r, err := gzip.NewReader(bytes.NewReader(small.Response.Body()))
	if err != nil {
		t.Fatalf("with gzip: %v; want a compressed body", err)
	}
	if got, err := io.ReadAll(r); string(got) != long || err != nil || string(small.Response.Header.Peek("Content-Encoding")) != "gzip" {
		t.Errorf("with gzip: %d bytes inflated, %v; want the file", len(got), err)
	}
	if got := serve("b.css", "Accept-Encoding", "gzip"); string(got.Response.Body()) != "a{}" {
		t.Errorf("a file that does not shrink: %q; want it as it is", got.Response.Body())
	}
	tag := string(plain.Response.Header.Peek("ETag"))
	for list, want := range map[string]int{
		tag: 304, strings.TrimPrefix(tag, "W/"): 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200,
	} {
		if got := serve("a.js", "If-None-Match", list); got.Response.StatusCode() != want || string(got.Response.Header.Peek("ETag")) != tag {
			t.Errorf("If-None-Match %s = %d; want %d", list, got.Response.StatusCode(), want)
		}
	}
	if got := string(plain.Response.Header.Peek("Content-Security-Policy")); got != Policy {
		t.Errorf("Content-Security-Policy = %q; want %q", got, Policy)
	}
}
