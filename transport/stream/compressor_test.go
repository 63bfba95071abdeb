package stream

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"event-dispatcher/transport/wire"
)

// A heartbeat is about what a player sends: half of it words that repeat, half digits
// and names that do not.
func heartbeat(random *rand.Rand, n int) []byte {
	return fmt.Appendf(nil, `data: {"event_name":"HEARTBEAT","session_id":"00000000-0000-4000-a000-%012d","timestamp":%d,"version":1,"data":{"platform":%q,"position":%d,`+
		`"buffered_duration":%06d,"bitrate":%06d,"frame_drops":%06d,"bandwidth":%06d,"playback_duration":%06d,"url":"https://media.example/assets/%06d/master.m3u8",`+
		`"stall":{"count":%d,"duration":%06d},"player":{"name":"player","platform":"Web","version":"1.2.%d"},"screen":{"width":1920,"height":1080}}}`+"\n\n",
		random.IntN(200), 1764752400000+n*20, []string{"Web", "Apple", "Android"}[random.IntN(3)], n,
		random.IntN(1e6), random.IntN(1e6), random.IntN(1e6), random.IntN(1e6), random.IntN(1e6), random.IntN(1e6),
		random.IntN(9), random.IntN(1e6), random.IntN(99))
}

// However many events there are in a block, now few and then many, and now and then no time
// for them, the blocks are one stream, and each can be read to its end when it comes.
func TestWindowGoesOnFromLevelToLevel(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	z := newCompressor()
	var plain, packed []byte
	var ends [][2]int // of the blocks, in both
	levels, before := 0, z.level
	for block := range 600 {
		events := 1
		if block/100%2 == 1 {
			events = 20
		}
		for k := range events {
			b := heartbeat(random, block)
			switch {
			case block%50 == 7 && k == events/2:
				z.hurry()
			case block%50 == 9 && k == 0:
				z.calm()
			}
			z.write(b)
			plain = append(plain, b...)
		}
		packed = append(packed, z.block(events)...)
		ends = append(ends, [2]int{len(plain), len(packed)})
		if z.level != before {
			levels, before = levels+1, z.level
		}
		if block == 400 {
			z.forget()
		}
	}
	if levels < 5 {
		t.Errorf("the level changed %d times; want it to follow the events", levels)
	}
	for i, end := range ends {
		if i%60 != 59 { // each look reads all from the beginning
			continue
		}
		got := make([]byte, end[0])
		if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(packed[:end[1]])), got); err != nil || !bytes.Equal(got, plain[:end[0]]) {
			t.Fatalf("the first %d bytes are not %d bytes of the stream: %v", end[1], end[0], err)
		}
	}
	// Behind an empty window somebody may enter.
	from := ends[400]
	got, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed[from[1]:])))
	if err != io.ErrUnexpectedEOF || !bytes.Equal(got, plain[from[0]:]) {
		t.Errorf("from the keyframe on: %d bytes, %v; want %d and no end", len(got), err, len(plain)-from[0])
	}
}

// What there is no time to compress goes out as it is, to the end of its block. Events that are
// large are not worth the level for few ones, however few they are.
func TestLevelIsWhatTimeAllows(t *testing.T) {
	z := newCompressor()
	text := bytes.Repeat([]byte("the same text "), 3000)
	z.write(text)
	z.hurry()
	z.write(text)
	if n := len(z.block(2)); n < len(text) || n > len(text)+len(text)/10 {
		t.Errorf("%d bytes, and in a hurry as many again, are a block of %d; want no more than the second half", len(text), n)
	}
	z.calm()
	if z.write(text); len(z.block(1)) > len(text)/10 {
		t.Error("the next block is not compressed")
	}
	for range 100 {
		z.write(text)
		z.block(1)
	}
	if z.level != manyLevel {
		t.Errorf("blocks of one event of %d bytes have level %d; want %d", len(text), z.level, manyLevel)
	}
}

// A block an event, which is what 50 events a second are, takes a quarter of the bytes,
// and full blocks a sixth.
func TestCompressionSavesWhatItPromises(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ events, ratio int }{{1, 4}, {40, 6}} {
		random := rand.New(rand.NewPCG(3, 4))
		z := newCompressor()
		plain, packed := 0, 0
		for n := range 100 * tt.events {
			b := heartbeat(random, n)
			z.write(b)
			plain += len(frameBlock(nil, wire.Format{}, b))
			if n%tt.events == tt.events-1 {
				packed += len(frameBlock(nil, wire.Format{}, z.block(tt.events)))
			}
		}
		if got := float64(plain) / float64(packed); got < float64(tt.ratio) {
			t.Errorf("%d events in a block: %.2f times fewer bytes; want %d", tt.events, got, tt.ratio)
		}
	}
}

// A compressor that has another one's memory refers to nothing that was written there.
func TestCompressorsThatAreUsedAgainBeginAnew(t *testing.T) {
	text := bytes.Repeat([]byte("some text that somebody else was sent, and nobody else may see. "), 100)
	for range 10 {
		for _, level := range []int{manyLevel, seldomLevel} {
			z := newCompressor()
			z.write(text[:1])
			z.block(1)
			z.change(level)
			z.write(text)
			z.block(1)
			z.release()

			z = newCompressor()
			z.level = level
			z.write(text)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(z.block(1))), got); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("level %d: the first block alone is %q, %v; want what was written", level, got, err)
			}
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	for _, events := range []int{1, 4, 16, 40} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			random := rand.New(rand.NewPCG(3, 4))
			var all [][]byte
			for n := range 4096 {
				all = append(all, heartbeat(random, n))
			}
			z := newCompressor()
			plain, packed, n := 0, 0, 0
			for b.Loop() {
				z.write(all[n%len(all)])
				plain += len(all[n%len(all)])
				if n++; n%events == 0 {
					packed += len(z.block(events))
				}
			}
			b.ReportMetric(float64(plain)/float64(max(packed, 1)), "times-fewer")
		})
	}
}
