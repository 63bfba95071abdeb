package inflate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// text is n bytes of lines of events, which compress as theirs do.
func text(r *rand.Rand, n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"event_name":"HEARTBEAT","session_id":"%016x","position":%d}`+"\n", r.Uint64(), r.IntN(1e9))
	}
	return b.Bytes()[:n]
}

// frames encodes a body as senders do: in one to three frames, each of a length that is
// known beforehand or not, with flushes in it or not, at any level.
func frames(t *testing.T, r *rand.Rand, body []byte) []byte {
	var out bytes.Buffer
	for parts := 1 + r.IntN(3); parts > 0; parts-- {
		part := body
		if parts > 1 {
			part = body[:r.IntN(len(body)+1)]
		}
		body = body[len(part):]
		level := zstd.EncoderLevel(1 + r.IntN(4))
		w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(r.IntN(2) == 0))
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(3) == 0 {
			out.Write(w.EncodeAll(part, nil))
			continue
		}
		step := max(1, len(part))
		if r.IntN(2) == 0 {
			step = 1 + r.IntN(step)
		}
		for len(part) > 0 {
			n := min(step, len(part))
			if _, err := w.Write(part[:n]); err != nil {
				t.Fatal(err)
			}
			if part = part[n:]; r.IntN(4) == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// Every zstd body of up to the limit comes out, however it is framed and whatever the
// slots have had before, and every longer one is too large: never corrupt.
func TestZstdOfEveryLength(t *testing.T) {
	t.Parallel()
	const seed = 20261128
	r := rand.New(rand.NewPCG(seed, seed))
	for _, limit := range []int{1000, 100_000, 262_144, 1 << 20} {
		all := text(r, limit+300_000)
		lengths := []int{0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, limit - 1, limit, limit + 1, limit + maxBlock, limit + maxBlock + 1, len(all)}
		for range 20 {
			lengths = append(lengths, r.IntN(len(all)))
		}
		for k, n := range lengths {
			p := New(limit, plenty())
			if k%2 == 0 { // a slot that has grown
				if b, err := p.Inflate(Gzip, gzipped(t, all[:limit]), p.limit); err != nil {
					t.Fatal(err)
				} else {
					b.Release()
				}
			}
			n = min(n, len(all))
			body := frames(t, r, all[:n])
			b, err := p.Inflate(Zstd, body, p.limit)
			switch {
			case n > limit:
				if err != ErrTooLarge {
					t.Errorf("limit %d: Inflate(%d bytes) = %v; want %v", limit, n, err, ErrTooLarge)
				}
			case err != nil:
				t.Errorf("limit %d: Inflate(%d bytes) = %v; want nil", limit, n, err)
			case !bytes.Equal(b.Bytes, all[:n]):
				t.Errorf("limit %d: Inflate(%d bytes) = other bytes", limit, n)
			}
			if err == nil {
				b.Release()
			}
			if n > 100 {
				if _, err := p.Inflate(Zstd, body[:len(body)-1], p.limit); err == nil {
					t.Errorf("limit %d: Inflate(%d bytes, cut off) = nil", limit, n)
				}
			}
		}
	}
}
