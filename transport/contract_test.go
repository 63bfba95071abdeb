package transport

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"event-dispatcher/transport/access"
	"event-dispatcher/transport/refusal"
	"event-dispatcher/transport/screens"
)

// described is a server with everything, and what it says of itself at path.
func described(t *testing.T, path string) (*testServer, map[string]any) {
	t.Helper()
	var gate *access.Gate
	_, change := withAccess(t, &gate, "")
	s := start(t, change, withSessions(t, screens.HubOptions{}))
	a := s.send(request("GET", path, ""))
	var doc map[string]any
	if err := json.Unmarshal([]byte(a.body), &doc); a.status != 200 || err != nil {
		t.Fatalf("GET %s = %d, %v; want JSON", path, a.status, err)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("GET %s: %v; want JSON that pages may read", path, a.header)
	}
	references(t, doc, doc)
	return s, doc
}

// at follows names through objects; nil: there is no such member.
func at(doc any, names ...string) any {
	for _, name := range names {
		o, _ := doc.(map[string]any)
		doc = o[name]
	}
	return doc
}

// references holds every $ref to lead somewhere.
func references(t *testing.T, doc, in any) {
	t.Helper()
	switch v := in.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
			t.Errorf("$ref %s leads nowhere", ref)
		}
		for _, member := range v {
			references(t, doc, member)
		}
	case []any:
		for _, element := range v {
			references(t, doc, element)
		}
	}
}

// inTable is a described path as the table has it: from its first parameter on it is
// a prefix.
func inTable(path string) string {
	if prefix, _, ok := strings.Cut(path, "{"); ok {
		return prefix + "*"
	}
	return path
}

// parametersIn are those that a path has.
func parametersIn(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if inner, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(inner, "}"))
		}
	}
	return names
}

// OpenAPI has the public paths with their methods, all of them, and nothing else.
func TestOpenAPIIsTheRoutes(t *testing.T) {
	t.Parallel()
	s, doc := described(t, "/openapi.json")
	if v, _ := doc["openapi"].(string); !strings.HasPrefix(v, "3.1.") || at(doc, "info", "title") == nil || at(doc, "info", "version") == nil {
		t.Errorf("openapi = %v, info = %v; want 3.1, a title and a version", doc["openapi"], doc["info"])
	}
	want := map[string]bool{}
	for _, r := range s.routes() {
		if r.on&(public|operators) == 0 || r.path == "/poc/*" { // has nothing but the format of its refusals
			continue
		}
		methods := r.methods
		if methods == "" {
			methods = "GET"
		}
		for method := range strings.SplitSeq(methods, ", ") {
			if method == "GET" || method == "POST" { // HEAD goes with GET, OPTIONS is the preflight
				want[method+" "+r.path] = true
			}
		}
	}
	got, ids := map[string]bool{}, map[string]bool{}
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		for method, operation := range item.(map[string]any) {
			name := strings.ToUpper(method) + " " + path
			got[strings.ToUpper(method)+" "+inTable(path)] = true
			id, _ := at(operation, "operationId").(string)
			if id == "" || ids[id] {
				t.Errorf("%s has the operationId %q; want one of its own", name, id)
			}
			ids[id] = true
			wantOperation(t, name, path, operation)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("described = %q\nroutes    = %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// wantOperation holds an operation to have what it must, and to declare the
// parameters of its path.
func wantOperation(t *testing.T, name, path string, operation any) {
	t.Helper()
	responses, _ := at(operation, "responses").(map[string]any)
	if at(operation, "summary") == nil || at(operation, "tags") == nil || len(responses) == 0 {
		t.Errorf("%s = %v; want a summary, tags and responses", name, operation)
	}
	for status, r := range responses {
		if at(r, "$ref") == nil && at(r, "description") == nil {
			t.Errorf("%s: %s has no description", name, status)
		}
	}
	var declared []string
	list, _ := at(operation, "parameters").([]any)
	for _, p := range list {
		if at(p, "in") == "path" && at(p, "required") == true {
			declared = append(declared, at(p, "name").(string))
		}
	}
	if want := parametersIn(path); !slices.Equal(declared, want) {
		t.Errorf("%s declares %q; want %q", name, declared, want)
	}
}

func TestOpenAPIHasTheReasonsOfRefusals(t *testing.T) {
	t.Parallel()
	_, doc := described(t, "/openapi.json")
	var got, want []string
	list, _ := at(doc, "components", "schemas", "Reason", "enum").([]any)
	for _, reason := range list {
		got = append(got, reason.(string))
	}
	for r := range refusal.Count {
		want = append(want, r.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("reasons = %q; want %q", got, want)
	}
}

// AsyncAPI has a channel for every path that takes events or becomes a stream or a
// socket, an operation for every channel, and nothing else.
func TestAsyncAPIIsTheStreams(t *testing.T) {
	t.Parallel()
	s, doc := described(t, "/asyncapi.json")
	if v, _ := doc["asyncapi"].(string); !strings.HasPrefix(v, "3.") || at(doc, "info", "title") == nil || at(doc, "info", "version") == nil {
		t.Errorf("asyncapi = %v, info = %v; want 3, a title and a version", doc["asyncapi"], doc["info"])
	}
	want := map[string]string{} // path: what the service does
	for _, r := range s.routes() {
		switch {
		case r.is&takesEvent != 0:
			want[r.path] = "receive"
		case r.is&(becomesStream|becomesSocket) != 0:
			want[r.path] = "send"
		}
	}
	got := map[string]string{}
	channels, _ := doc["channels"].(map[string]any)
	operations, _ := doc["operations"].(map[string]any)
	for name, channel := range channels {
		address, _ := at(channel, "address").(string)
		if messages, _ := at(channel, "messages").(map[string]any); len(messages) == 0 {
			t.Errorf("channel %s has no messages", name)
		}
		for _, parameter := range parametersIn(address) {
			if at(channel, "parameters", parameter) == nil {
				t.Errorf("channel %s does not declare %s", name, parameter)
			}
		}
		got[inTable(address)] = ""
		for _, operation := range operations {
			if at(operation, "channel", "$ref") == "#/channels/"+name {
				got[inTable(address)], _ = at(operation, "action").(string)
			}
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("described = %v\nroutes    = %v", got, want)
	}
}
