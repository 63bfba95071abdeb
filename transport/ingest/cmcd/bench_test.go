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

// The worst that a record can be, in MB/s: it stays near that of strings.
func BenchmarkRepeatedKeys(b *testing.B) {
	record := []byte(`e=t,ts=1,x="` + strings.Repeat("a", 250_000) + `"` + strings.Repeat(",a", maxMembers-3))
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		var err error
		if out, _, _, err = Append(out[:0], record, most); err != nil {
			b.Fatal(err)
		}
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
