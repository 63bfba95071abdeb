//go:build !race

package event

import (
	"bytes"
	"testing"
	"time"
)

func TestNothingAllocates(t *testing.T) {
	lines := bytes.Repeat(append(bytes.Clone(heartbeat), '\n'), 10)
	array := []byte(`[{"a":1},2,[3],{"user_ip":4}]`)
	object := []byte(`{"a":"b","\u0075ser_ip":"c","user_ip":"d"}`)
	names := NewNames("user_ip", "event_id")
	g := NewIDs()
	var id [idLen]byte
	for name, f := range map[string]func(){
		"Check": func() { Check(heartbeat) },
		"Lines": func() {
			for b, ok := Lines(lines), true; ok; _, _, ok = b.Next() {
			}
		},
		"Elements": func() {
			for b, ok := Elements(array); ok; _, _, ok = b.Next() {
			}
		},
		"Cut": func() { names.Cut(object) },
		"IDs": func() { g.Append(id[:0], time.Now()) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
