package ring

import (
	"bytes"
	"testing"
)

func TestReadSmoke(t *testing.T) {
	r := New(Options{SegmentBytes: 64, Window: 2, Spares: 2})
	c := r.Head()
	var b Batch
	for i := 0; i < 100; i++ {
		if err := r.Publish(Tick(i), []byte("data"), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if !r.Read(&c, &b, 1<<20) || b.Events != 1 || !bytes.Equal(b.Bytes, []byte{'d', 'a', 't', 'a', byte(i)}) {
			t.Fatal(i, b)
		}
		b.Release()
	}
}
