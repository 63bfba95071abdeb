package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTrackJudgesSequences(t *testing.T) {
	for _, tt := range []struct {
		name    string
		in      []uint64
		want    string // one letter per sequence: in order, late, duplicate
		missing int64
	}{
		{"in order", []uint64{1, 2, 3}, "iii", 0},
		{"joined late", []uint64{90, 91}, "ii", 0},
		{"skipped", []uint64{1, 5, 6}, "iii", 3},
		{"late", []uint64{1, 3, 2, 4}, "iili", 0},
		{"late from the middle of a gap", []uint64{1, 9, 5, 5, 4, 6, 10}, "iildlli", 4},
		{"twice", []uint64{1, 2, 2, 1}, "iidd", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tr track
			var got strings.Builder
			var missing int64
			for _, seq := range tt.in {
				v, m := tr.take(seq)
				got.WriteByte("ild"[v])
				missing += m
			}
			if got.String() != tt.want || missing != tt.missing {
				t.Errorf("%v: %s, %d missing; want %s, %d", tt.in, got.String(), missing, tt.want, tt.missing)
			}
		})
	}
}

func TestTrackIsBounded(t *testing.T) {
	var tr track
	for seq := uint64(1); seq < 10*maxGaps; seq += 2 {
		tr.take(seq)
	}
	if len(tr.gaps) != maxGaps {
		t.Errorf("%d gaps are remembered, want %d", len(tr.gaps), maxGaps)
	}
}

func TestRolesAreSpread(t *testing.T) {
	for _, tt := range []struct {
		n, sampling, stalling, slow, returning int
		want                                   string
	}{
		{7, 3, 0, 0, 0, "S..S..S"},
		{2, 1, 0, 1, 0, "SL"},
		{6, 2, 2, 0, 0, "ST..TS"},
		{4, 9, 0, 0, 0, "SSSS"},
		{5, 1, 1, 1, 1, "STLR."},
		{0, 1, 1, 0, 0, ""},
	} {
		var got strings.Builder
		for _, r := range Roles(tt.n, tt.sampling, tt.stalling, tt.slow, tt.returning) {
			got.WriteByte(".STLR"[r])
		}
		if got.String() != tt.want {
			t.Errorf("Roles(%d, %d, %d, %d, %d) = %s, want %s", tt.n, tt.sampling, tt.stalling, tt.slow, tt.returning, got.String(), tt.want)
		}
	}
	roles := Roles(1000, 10, 100, 50, 20)
	for role, want := range map[Role]int{Sampling: 10, Stalling: 100, Slow: 50, Returning: 20, Counting: 820} {
		got := 0
		for _, r := range roles {
			if r == role {
				got++
			}
		}
		if got != want {
			t.Errorf("%d consumers are %v, want %d", got, role, want)
		}
	}
	if first, last := slices.Index(roles, Sampling), roles[999]; first != 0 || last != Sampling {
		t.Errorf("samples begin at %d and the last consumer is %v; want both ends sampled", first, fmt.Sprint(last))
	}
}
