package event

import (
	"encoding/json"
	"testing"
)

func TestAnEnvelopeIsPutOnAndTakenOff(t *testing.T) {
	for _, tt := range []struct{ text, around string }{
		{"@", `{"a":1}`},
		{`{"data":@}`, `{"data":{"a":1}}`},
	} {
		var e Envelope
		if err := e.Set(tt.text); err != nil {
			t.Fatal(err)
		}
		got := e.Append(nil, []byte(`{"a":1}`))
		if string(got) != tt.around || len(got) != e.Size()+len(`{"a":1}`) {
			t.Errorf("%s: Append = %s, size %d; want %s", tt.text, got, e.Size(), tt.around)
		}
		if body, ok := e.Open(got); !ok || string(body) != `{"a":1}` {
			t.Errorf("%s: Open = %s, %v", tt.text, body, ok)
		}
	}
	var none, e Envelope
	if body, ok := none.Open([]byte("x")); !ok || string(body) != "x" {
		t.Errorf("without an envelope: Open = %s, %v", body, ok)
	}
	if e.Set("none") == nil || e.Set("@@") == nil {
		t.Error("an envelope without a place for the event, or with two, was taken")
	}
	e.Set(`{"data":@}`)
	for _, b := range []string{`{}`, `{"data":`, `{"connect":{}}`} {
		if body, ok := e.Open([]byte(b)); ok {
			t.Errorf("Open(%s) = %s; want that it is none", b, body)
		}
	}
	var back Envelope
	if b, err := json.Marshal(e); err != nil || json.Unmarshal(b, &back) != nil || back.String() != e.String() {
		t.Errorf("%s came back as %s", e.String(), back.String())
	}
}
