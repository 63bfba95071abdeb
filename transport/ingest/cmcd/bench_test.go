package cmcd

import (
	"strings"
	"testing"
)

var report = []byte(`bg,bl=(21300),br=(4200 800;v),cid="https://example.com/stream/1",e=t,ltc=4200,msd=123,mtp=(48100),nor=("../300kbps/segment35.m4v"),pr=1.05,pt=12345,sf=h,sid="3f1c2a2e-7c1e-4b7a-9f0e-1d2c3b4a5f60",sn=3,st=v,sta=p,ts=1764752400000,v=2`)

func BenchmarkAppend(b *testing.B) {
	b.SetBytes(int64(len(report)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, _, _, err = Append(out[:0], report, most); err != nil {
			b.Fatal(err)
		}
	}
}

// What is made to be slow, in MB/s: a long value that many repeated keys move, many short
// lists of parameters with a repeated one, and the same without it.
func BenchmarkRepeatedKeys(b *testing.B) {
	for _, bench := range []struct{ name, record string }{
		{"members", `e=t,ts=1,x="` + strings.Repeat("a", 250_000) + `"` + strings.Repeat(",a", maxMembers-3)},
		{"parameters", `e=t,ts=1,x=(` + strings.Repeat("1;x;x ", 10_000) + `)`},
		{"none", `e=t,ts=1,x=(` + strings.Repeat("1;x;y ", 10_000) + `)`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			record := []byte(bench.record)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				var err error
				if out, _, _, err = Append(out[:0], record, most); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLosses(b *testing.B) {
	l := NewLosses()
	r := Record{Session: []byte("3f1c2a2e-7c1e-4b7a-9f0e-1d2c3b4a5f60")}
	b.ReportAllocs()
	for b.Loop() {
		l.Note(r)
		r.Sequence++
	}
}
