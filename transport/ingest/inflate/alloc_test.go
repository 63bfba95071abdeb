//go:build !race

package inflate

import (
	"bytes"
	"testing"
)

func TestNothingAllocatesInSteadyState(t *testing.T) {
	p := New(1<<20, plenty())
	text := bytes.Repeat([]byte(`{"event_name":"HEARTBEAT","data":{"position":12345}}`+"\n"), 1000)
	for coding, body := range map[Coding][]byte{Gzip: gzipped(t, text), Zstd: zstdAll(t, text)} {
		inflate := func() {
			b, err := p.Inflate(coding, body, p.limit)
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		for range 10 {
			inflate() // every slot
		}
		if n := testing.AllocsPerRun(100, inflate); n > 0 {
			t.Errorf("inflating %v allocates %v times", coding, n)
		}
	}
}
