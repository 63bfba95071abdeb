package event

import (
	"bytes"
	"testing"
	"time"
)

// heartbeat is an event as players send it, of about 0.5 KB.
var heartbeat = []byte(`{"event_name":"HEARTBEAT","session_id":"3f1c2a2e-7c1e-4b7a-9f0e-1d2c3b4a5f60","timestamp":1764752400000,"version":1,"data":{"player":{"name":"pillarbox-web","platform":"Web","version":"1.2.3"},"position":123456,"position_timestamp":1764752400000,"bandwidth":4200000,"bitrate":2800000,"buffered_duration":30000,"stall":{"count":2,"duration":1234},"duration":3600000,"stream_type":"On-demand","url":"https://cdn.example.com/path/to/some/stream/master.m3u8?token=abcdefghijklmnop","playback_duration":120000}}`)

func BenchmarkCheck(b *testing.B) {
	b.SetBytes(int64(len(heartbeat)))
	b.ReportAllocs()
	for b.Loop() {
		if Check(heartbeat) != None {
			b.Fatal("not valid")
		}
		OneLine(heartbeat)
	}
}

// BenchmarkBatch is the price of one event of a batch of 1,000.
func BenchmarkBatch(b *testing.B) {
	const n = 1000
	lines := bytes.Repeat(append(bytes.Clone(heartbeat), '\n'), n)
	array := append([]byte{'['}, bytes.Repeat(append(bytes.Clone(heartbeat), ','), n)...)
	array[len(array)-1] = ']'
	for _, bb := range []struct {
		name  string
		body  []byte
		batch func([]byte) (Batch, bool)
	}{
		{"form=lines", lines, func(b []byte) (Batch, bool) { return Lines(b), true }},
		{"form=array", array, Elements},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(heartbeat)))
			b.ReportAllocs()
			var batch Batch
			for b.Loop() {
				_, fault, ok := batch.Next()
				if fault != None {
					b.Fatal(fault)
				}
				if !ok {
					batch, _ = bb.batch(bb.body)
				}
			}
		})
	}
}

func BenchmarkCut(b *testing.B) {
	names := NewNames("user_ip", "received_at", "event_id")
	for _, bb := range []struct {
		name  string
		event []byte
	}{
		{"has=none", heartbeat},
		{"has=escapes", append(bytes.Clone(heartbeat[:len(heartbeat)-1]), `,"a":"\u0041"}`...)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := names.Cut(bb.event); len(got) != len(bb.event) {
					b.Fatalf("%s", got)
				}
			}
		})
	}
}

func BenchmarkIDs(b *testing.B) {
	g, now := NewIDs(), time.Now()
	b.ReportAllocs()
	var space [idLen]byte
	for b.Loop() {
		g.Append(space[:0], now)
	}
}
