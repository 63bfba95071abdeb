// Package static serves files that are built into the program: pages and what they
// load. Each is compressed once; browsers keep it and ask whether it has changed.
package static

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

// types are the kinds of files that may be built in.
var types = map[string]string{
	".html":    "text/html; charset=utf-8",
	".css":     "text/css; charset=utf-8",
	".js":      "text/javascript; charset=utf-8",
	".svg":     "image/svg+xml",
	".json":    "application/json",
	".LICENSE": "text/plain; charset=utf-8",
}

// Policy is what pages may do: load what the service itself serves, and talk to it.
// Nothing from elsewhere, nothing inline, no frame around them.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Files are those of one folder. They do not change, so any goroutine may serve them.
type Files struct{ by map[string]*file }

type file struct {
	kind, tag string
	plain     []byte
	gzipped   []byte // nil: no smaller
}

// New reads all files of a folder. It panics if one cannot be served: they are part
// of the program.
func New(folder fs.FS) *Files {
	f := &Files{by: map[string]*file{}}
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		kind, ok := types[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s is of a kind that has no media type here", name)
		}
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		// Weak, since it stands for the plain and the compressed form (RFC 9110,
		// section 8.8.1).
		f.by[name] = &file{kind: kind, tag: `W/"` + hex.EncodeToString(sum[:8]) + `"`, plain: content, gzipped: compress(content)}
		return nil
	})
	if err != nil {
		panic("static: " + err.Error())
	}
	return f
}

func compress(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic("static: " + err.Error()) // the level is one of the package's
	}
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	if b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

// Has reports whether there is a file of the name.
func (f *Files) Has(name string) bool { return f.by[name] != nil }

// Serve answers GET and HEAD with a file, under a policy as in
// Content-Security-Policy. The caller knows that there is such a file.
func (f *Files) Serve(ctx *fasthttp.RequestCtx, name, policy string) {
	is := f.by[name]
	h := &ctx.Response.Header
	h.SetContentType(is.kind)
	h.Set(fasthttp.HeaderETag, is.tag)
	h.Set(fasthttp.HeaderCacheControl, "no-cache") // kept, and asked for before each use
	h.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	h.Set(fasthttp.HeaderContentSecurityPolicy, policy)
	h.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	h.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	if known(string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)), is.tag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	if is.gzipped != nil && ctx.Request.Header.HasAcceptEncoding("gzip") {
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
		ctx.Response.SetBodyRaw(is.gzipped)
		return
	}
	ctx.Response.SetBodyRaw(is.plain)
}

// known reports whether If-None-Match names the tag, by weak comparison (RFC 9110,
// section 13.1.2).
func known(list, tag string) bool {
	if list == "*" {
		return true
	}
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}
