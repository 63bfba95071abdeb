package inflate

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkInflate is the price of one event of 0.5 KB in a batch.
func BenchmarkInflate(b *testing.B) {
	const events = 1000
	var text strings.Builder
	for i := range events {
		fmt.Fprintf(&text, `{"event_name":"HEARTBEAT","session_id":"%08x-7c1e-4b7a-9f0e-1d2c3b4a5f60","timestamp":%d,"version":1,"data":{"player":{"name":"pillarbox-web","platform":"Web","version":"1.2.3"},"position":%d,"position_timestamp":1764752400000,"bandwidth":%d,"bitrate":2800000,"buffered_duration":30000,"stall":{"count":2,"duration":1234},"duration":3600000,"stream_type":"On-demand","url":"https://cdn.example.com/path/to/some/stream/master.m3u8?token=abcdefghijklmnop","playback_duration":120000}}`+"\n",
			uint32(i*2654435761), 1764752400000+i*37, i*997%360000, 4000000+i*7919%1000000)
	}
	p := New(4<<20, plenty())
	for _, bb := range []struct {
		coding Coding
		body   []byte
	}{{Gzip, gzipped(b, []byte(text.String()))}, {Zstd, zstdAll(b, []byte(text.String()))}} {
		b.Run("coding="+bb.coding.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(text.Len()) / events)
			for i := 0; b.Loop(); i++ {
				if i%events != 0 {
					continue
				}
				body, err := p.Inflate(bb.coding, bb.body, p.limit)
				if err != nil {
					b.Fatal(err)
				}
				body.Release()
			}
		})
	}
}
