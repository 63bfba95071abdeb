package ingest

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// A form is what the events of a body look like.
type form uint8

const (
	single  form = iota // one JSON value
	lines               // one JSON value per line
	array               // the elements of a JSON array
	reports             // CMCD
)

var formNames = [...]string{"single", "lines", "array", "cmcd"}

// ReportsPath is where all bodies are reports.
const ReportsPath = "/cmcd"

// formOf is the form that a request says its body has. The query parameter batch
// outranks the content type: pages that are being closed can send text/plain
// without asking first. ok is false if its value is unknown.
func formOf(h *fasthttp.RequestHeader, query []byte) (f form, ok bool) {
	if len(query) > 0 {
		if value, found := parameter(query, "batch="); found {
			switch string(value) {
			case "array":
				return array, true
			case "lines":
				return lines, true
			}
			return single, false
		}
	}
	kind := h.ContentType()
	if i := bytes.IndexByte(kind, ';'); i >= 0 {
		kind = bytes.TrimRight(kind[:i], " \t")
	}
	for i := range contentForms {
		if c := &contentForms[i]; len(kind) == len(c.kind) && bytes.EqualFold(kind, c.kind) {
			return c.form, true
		}
	}
	return single, true
}

var contentForms = [...]struct {
	kind []byte
	form form
}{
	{[]byte("application/x-ndjson"), lines},
	{[]byte("application/ndjson"), lines},
	{[]byte("application/jsonl"), lines},
	{[]byte("application/jsonlines"), lines},
	{[]byte("application/x-jsonlines"), lines},
	{[]byte("application/cmcd"), reports},
	{[]byte("text/cmcd"), reports},
}

// parameter is the value of a query's parameter, which begins with name.
func parameter(query []byte, name string) ([]byte, bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		if len(pair) >= len(name) && string(pair[:len(name)]) == name {
			return pair[len(name):], true
		}
	}
	return nil, false
}
