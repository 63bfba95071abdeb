package inflate

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func gzipped(t testing.TB, body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zstded is a stream, of which the sender does not know the length beforehand.
func zstded(t testing.TB, body io.Reader, options ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdAll(t testing.TB, body []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(body, nil)
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A budget is so many bytes.
type budget struct{ left atomic.Int64 }

func (b *budget) Take(n int) bool {
	if b.left.Add(-int64(n)) < 0 {
		b.left.Add(int64(n))
		return false
	}
	return true
}

func (b *budget) Give(n int) { b.left.Add(int64(n)) }

func roomFor(bytes int) *budget {
	b := &budget{}
	b.left.Store(int64(bytes))
	return b
}

func plenty() *budget { return roomFor(1 << 40) }

func TestInflatedBodiesHaveABudget(t *testing.T) {
	const limit, room = 1 << 20, 700 << 10
	text := bytes.Repeat([]byte("x"), 600<<10)
	for coding, body := range map[Coding][]byte{Gzip: gzipped(t, text), Zstd: zstdAll(t, text), Identity: text} {
		rest := roomFor(room)
		p := New(limit, rest)
		if _, err := p.Inflate(coding, body, p.limit); !errors.Is(err, ErrNoRoom) {
			t.Errorf("Inflate(%v, %d bytes) with room for %d = %v; want %v", coding, len(text), room, err, ErrNoRoom)
		}
		if left := rest.left.Load(); left != room {
			t.Errorf("%v: %d bytes of the budget left after a body for which there was no room; want %d", coding, left, room)
		}
		rest.Give(limit)
		b, err := p.Inflate(coding, body, p.limit)
		if err != nil || !bytes.Equal(b.Bytes, text) {
			t.Fatalf("Inflate(%v) with room = %v; want the body", coding, err)
		}
		if took := room + limit - int(rest.left.Load()); took < len(text) || took != cap(b.buf) {
			t.Errorf("%v: a body of %d bytes took %d; want the %d of its buffer", coding, len(text), took, cap(b.buf))
		}
		b.Release()
		// A small body is inflated where there is no room for the buffer of a large one.
		rest.Take(limit)
		small, err := p.Inflate(Gzip, gzipped(t, []byte("small")), p.limit)
		if err != nil {
			t.Errorf("%v: Inflate(small) = %v; want nil", coding, err)
		} else {
			small.Release()
		}
		if left := rest.left.Load(); left != room {
			t.Errorf("%v: %d bytes of the budget left in the end; want %d", coding, left, room)
		}
	}
}

func TestInflate(t *testing.T) {
	const limit = 100_000
	text := []byte(strings.Repeat(`{"event_name":"HEARTBEAT"}`+"\n", 100))
	full := bytes.Repeat([]byte("x"), limit)
	over := bytes.Repeat([]byte("x"), limit+1)
	stream := func(b []byte, o ...zstd.EOption) []byte { return zstded(t, bytes.NewReader(b), o...) }
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	damaged := func(b []byte, i int) []byte { b = bytes.Clone(b); b[(i+len(b))%len(b)] ^= 1; return b }
	gz, zs := gzipped(t, text), stream(text)
	bombGzip := gzipped(t, make([]byte, 64<<20))
	bombZstd := zstded(t, io.LimitReader(zeros{}, 256<<20))
	for _, tt := range []struct {
		name   string
		coding Coding
		body   []byte
		want   []byte
		err    error
	}{
		{"gzip", Gzip, gz, text, nil},
		{"gzip of nothing", Gzip, gzipped(t, nil), nil, nil},
		{"gzip, two members", Gzip, cat(gz, gz), cat(text, text), nil},
		{"gzip, as much as may be", Gzip, gzipped(t, full), full, nil},
		{"gzip, one too many", Gzip, gzipped(t, over), nil, ErrTooLarge},
		{"gzip, two members too large together", Gzip, cat(gzipped(t, full), gzipped(t, full)), nil, ErrTooLarge},
		{"gzip, bomb", Gzip, bombGzip, nil, ErrTooLarge},
		{"gzip, nested", Gzip, gzipped(t, gz), gz, nil},
		{"gzip, cut off", Gzip, gz[:len(gz)/2], nil, ErrCorrupt},
		{"gzip, cut off in the header", Gzip, gz[:5], nil, ErrCorrupt},
		{"gzip, cut off in the trailer", Gzip, gz[:len(gz)-1], nil, ErrCorrupt},
		{"gzip, wrong checksum", Gzip, damaged(gz, -8), nil, ErrCorrupt},
		{"gzip, wrong length", Gzip, damaged(gz, -1), nil, ErrCorrupt},
		{"gzip, trailing bytes", Gzip, cat(gz, []byte("x")), nil, ErrCorrupt},
		{"gzip, trailing zeros", Gzip, cat(gz, make([]byte, 20)), nil, ErrCorrupt},
		{"gzip, nothing", Gzip, nil, nil, ErrCorrupt},
		{"gzip, plain text", Gzip, text, nil, ErrCorrupt},
		{"gzip, zstd in truth", Gzip, zs, nil, ErrCorrupt},

		{"zstd", Zstd, zs, text, nil},
		{"zstd with its length", Zstd, zstdAll(t, text), text, nil},
		{"zstd, two frames", Zstd, cat(zs, zs), cat(text, text), nil},
		{"zstd, as much as may be", Zstd, stream(full), full, nil},
		{"zstd with its length, as much as may be", Zstd, zstdAll(t, full), full, nil},
		{"zstd, one too many", Zstd, stream(over), nil, ErrTooLarge},
		{"zstd with its length, one too many", Zstd, zstdAll(t, over), nil, ErrTooLarge},
		{"zstd, two frames too large together", Zstd, cat(stream(full), stream(full)), nil, ErrTooLarge},
		{"zstd, bomb", Zstd, bombZstd, nil, ErrTooLarge},
		{"zstd, window larger than the limit", Zstd, stream(text, zstd.WithWindowSize(8<<20), zstd.WithSingleSegment(false)), text, nil},
		{"zstd, huge window", Zstd, []byte("\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"), nil, ErrCorrupt},
		{"zstd, cut off", Zstd, zs[:len(zs)/2], nil, ErrCorrupt},
		{"zstd, cut off in the header", Zstd, zs[:5], nil, ErrCorrupt},
		{"zstd, cut off in the checksum", Zstd, zs[:len(zs)-1], nil, ErrCorrupt},
		{"zstd, wrong checksum", Zstd, damaged(zs, -1), nil, ErrCorrupt},
		{"zstd, trailing bytes", Zstd, cat(zs, []byte("xxxxxxxx")), nil, ErrCorrupt},
		{"zstd, one trailing byte", Zstd, cat(zs, []byte("x")), nil, ErrCorrupt},
		{"zstd, dictionary", Zstd, []byte("\x28\xb5\x2f\xfd\x01\x00\x07\x01\x00\x00"), nil, ErrCorrupt},
		{"zstd, nothing", Zstd, nil, nil, ErrCorrupt},
		{"zstd, plain text", Zstd, text, nil, ErrCorrupt},
		{"zstd, gzip in truth", Zstd, gz, nil, ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := New(limit, plenty())
			for range 3 { // what came before does not matter
				got, err := p.Inflate(tt.coding, tt.body, p.limit)
				if err != tt.err {
					t.Fatalf("Inflate() = %v; want %v", err, tt.err)
				}
				if err == nil {
					if !bytes.Equal(got.Bytes, tt.want) {
						t.Fatalf("Inflate() = %d bytes %.50q; want %d bytes %.50q", len(got.Bytes), got.Bytes, len(tt.want), tt.want)
					}
					got.Release()
				}
			}
			if n := len(p.slots); n != runtime.GOMAXPROCS(0) {
				t.Errorf("%d slots are free; want all %d", n, runtime.GOMAXPROCS(0))
			}
			for range len(p.slots) {
				if b := <-p.slots; cap(b.buf) > limit+maxBlock+8192 { // the allocator rounds up
					t.Errorf("a buffer has %d bytes; the limit is %d and a block", cap(b.buf), limit)
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	for value, want := range map[string]struct {
		coding Coding
		ok     bool
	}{
		"": {Identity, true}, "identity": {Identity, true}, "gzip": {Gzip, true}, "GZIP": {Gzip, true}, " gzip ": {Gzip, true},
		"x-gzip": {Gzip, true}, "zstd": {Zstd, true}, "br": {}, "deflate": {}, "gzip, gzip": {}, "gzip,identity": {}, "gzi": {},
	} {
		if c, ok := Parse([]byte(value)); c != want.coding || ok != want.ok {
			t.Errorf("Parse(%q) = %v, %v; want %v, %v", value, c, ok, want.coding, want.ok)
		}
	}
}

func TestLargeBuffersAreKeptWithinABudget(t *testing.T) {
	const limit = 6 << 20
	p := New(limit, plenty())
	gz := gzipped(t, make([]byte, limit))
	for len(p.slots) < 5 { // as if there were more processors
		slots := make(chan *Body, 5)
		for len(p.slots) > 0 {
			slots <- <-p.slots
		}
		for len(slots) < cap(slots) {
			slots <- &Body{pool: p}
		}
		p.slots = slots
	}
	var bodies []*Body
	for range 5 {
		b, err := p.Inflate(Gzip, gz, p.limit)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, b)
	}
	if p.kept.Load() != 0 {
		t.Errorf("%d bytes count as kept while all buffers are in use", p.kept.Load())
	}
	for _, b := range bodies {
		b.Release()
	}
	var kept int64
	for range len(p.slots) {
		kept += large((<-p.slots).buf)
	}
	if kept == 0 || kept > maxKept || kept != p.kept.Load() {
		t.Errorf("%d bytes are kept, counted as %d; want at most %d", kept, p.kept.Load(), maxKept)
	}
}

func TestManyInflateAtOnce(t *testing.T) {
	p := New(1<<20, plenty())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			want := bytes.Repeat([]byte{byte(i)}, 10_000*(i+1))
			coding, body := Gzip, gzipped(t, want)
			if i%2 == 0 {
				coding, body = Zstd, zstdAll(t, want)
			}
			for n := range 50 {
				if n%10 == 9 {
					if _, err := p.Inflate(coding, body[:len(body)-2], p.limit); !errors.Is(err, ErrCorrupt) {
						t.Errorf("Inflate(cut off) = %v", err)
					}
					continue
				}
				b, err := p.Inflate(coding, body, p.limit)
				if err != nil {
					t.Error(err)
					return
				}
				if !bytes.Equal(b.Bytes, want) {
					t.Errorf("goroutine %d got another's bytes", i)
				}
				b.Release()
			}
		})
	}
	all.Wait()
}

func FuzzInflate(f *testing.F) {
	f.Add(uint8(Gzip), gzipped(f, []byte("hello hello hello")))
	f.Add(uint8(Zstd), zstdAll(f, []byte("hello hello hello")))
	f.Add(uint8(Zstd), zstded(f, strings.NewReader("hello hello hello")))
	const limit = 5000
	p := New(limit, plenty())
	f.Fuzz(func(t *testing.T, coding uint8, body []byte) {
		if n := Blocks(body); n < 0 || n > len(body)/3 {
			t.Errorf("%d bytes have %d blocks; want no more than fit", len(body), n)
		}
		b, err := p.Inflate(Coding(coding%3), body, p.limit)
		if err != nil {
			return
		}
		if len(b.Bytes) > limit {
			t.Errorf("%d bytes came out; the limit is %d", len(b.Bytes), limit)
		}
		b.Release()
	})
}
