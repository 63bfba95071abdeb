package inflate

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// handmade is a frame of n compressed blocks, which no decoder takes.
func handmade(n int) []byte {
	frame := []byte{0x28, 0xB5, 0x2F, 0xFD, 0, 0x58}
	for i := range n {
		header := 2<<3 | 2<<1
		if i == n-1 {
			header |= 1
		}
		frame = append(frame, byte(header), 0, 0, 'x', 'y')
	}
	return frame
}

// Whatever frames come before, their blocks are passed and others are counted.
func TestBlocksAreCountedBehindFramesOfAllForms(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 200, 300, 70_000, 500_000} {
		for _, checksum := range []bool{true, false} {
			for _, single := range []bool{true, false} {
				e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(checksum), zstd.WithSingleSegment(single), zstd.WithZeroFrames(true))
				if err != nil {
					t.Fatal(err)
				}
				text := bytes.Repeat([]byte(`{"event_name":"HEARTBEAT"}`), 1+size/26)[:size]
				frame := e.EncodeAll(text, nil)
				frame = append(frame, 0x5A, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 2) // and a skippable one
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				before := Blocks(frame)
				if want := (size + maxBlock - 1) / maxBlock; before > want {
					t.Errorf("%d bytes are in %d compressed blocks; want %d at most", size, before, want)
				}
				if got := Blocks(append(frame, handmade(7)...)); got != before+7 {
					t.Errorf("%d bytes, checksum %v, single segment %v: %d blocks with seven others behind %d", size, checksum, single, got, before)
				}
			}
		}
	}
}

func TestBlocksOfWhatIsCutOff(t *testing.T) {
	t.Parallel()
	whole := handmade(3)
	for n := range whole {
		if got := Blocks(whole[:n]); got > 3 {
			t.Errorf("%d bytes have %d blocks; want three at most", n, got)
		}
	}
	if got := Blocks([]byte("no frame")); got != 0 {
		t.Errorf("what is no frame has %d blocks", got)
	}
}
