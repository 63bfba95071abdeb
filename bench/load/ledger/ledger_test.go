package ledger

import (
	"sync"
	"testing"
)

func TestEntryBalances(t *testing.T) {
	for _, tt := range []struct {
		name  string
		entry Entry
		final Totals
		want  uint64 // unexplained
	}{
		{"all received", Entry{Received: 10}, Totals{Started: 10, Accepted: 10}, 0},
		{"rejected are not owed", Entry{Received: 7}, Totals{Started: 10, Accepted: 7, Rejected: 3}, 0},
		{"one lost", Entry{Received: 9}, Totals{Started: 10, Accepted: 10}, 1},
		{"one too many", Entry{Received: 11}, Totals{Started: 10, Accepted: 10}, 1},
		{"skipped and told", Entry{Received: 4, Skipped: 6}, Totals{Started: 10, Accepted: 10}, 0},
		{"told too much", Entry{Received: 4, Skipped: 8}, Totals{Started: 10, Accepted: 10}, 2},
		{"unknown may have come", Entry{Received: 12}, Totals{Started: 12, Accepted: 10, Unknown: 2}, 0},
		{"unknown may have been lost", Entry{Received: 10}, Totals{Started: 12, Accepted: 10, Unknown: 2}, 0},
		{"more than unknown", Entry{Received: 13}, Totals{Started: 12, Accepted: 10, Unknown: 2}, 1},
		{"joined meanwhile, under way came", Entry{Dialled: Totals{Started: 8, Accepted: 5}, Opened: Totals{Started: 9, Accepted: 6}, Received: 15},
			Totals{Started: 20, Accepted: 20}, 0},
		{"joined meanwhile, under way did not", Entry{Dialled: Totals{Started: 8, Accepted: 5}, Opened: Totals{Started: 9, Accepted: 6}, Received: 11},
			Totals{Started: 20, Accepted: 20}, 0},
		{"joined meanwhile, older ones came", Entry{Dialled: Totals{Started: 8, Accepted: 5}, Opened: Totals{Started: 9, Accepted: 6}, Received: 17},
			Totals{Started: 20, Accepted: 20}, 2},
		{"joined meanwhile, lost some", Entry{Dialled: Totals{Started: 8, Accepted: 5}, Opened: Totals{Started: 9, Accepted: 6}, Received: 8},
			Totals{Started: 20, Accepted: 20}, 3},
		{"left early", Entry{LeftEarly: true, Left: Totals{Started: 12, Accepted: 10}, Received: 7}, Totals{Started: 20, Accepted: 20}, 0},
		{"left early with a hole", Entry{LeftEarly: true, Left: Totals{Started: 12, Accepted: 10}, Received: 7, Missing: 2}, Totals{Started: 20, Accepted: 20}, 2},
		{"left early with a hole told", Entry{LeftEarly: true, Left: Totals{Started: 12, Accepted: 10}, Received: 7, Missing: 2, Skipped: 2}, Totals{Started: 20, Accepted: 20}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.entry.Settle(tt.final)
			if got := tt.entry.Unexplained(); got != tt.want {
				t.Errorf("Unexplained() = %d, owed %d of [%d, %d]; want %d", got, tt.entry.Owed(), tt.entry.min, tt.entry.max, tt.want)
			}
		})
	}
}

func TestStreamsFromTheStartMustAgree(t *testing.T) {
	final := Totals{Started: 12, Accepted: 10, Unknown: 2}
	a, b := &Entry{Received: 11}, &Entry{Received: 10}
	late := &Entry{Dialled: Totals{Started: 5, Accepted: 5}, Opened: Totals{Started: 5, Accepted: 5}, Received: 5}
	entries := []*Entry{a, b, late}
	for _, e := range entries {
		e.Settle(final)
	}
	Tighten(entries)
	for i, want := range []uint64{0, 1, 0} {
		if got := entries[i].Unexplained(); got != want {
			t.Errorf("entry %d: Unexplained() = %d, want %d", i, got, want)
		}
	}
}

func TestBookNeverShowsMoreOutcomesThanStarts(t *testing.T) {
	var b Book
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				b.Start(1)
				b.Accept(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if got := b.Totals(); got.Accepted > got.Started {
			t.Fatalf("Totals() = %+v", got)
		}
	}
	if got := b.Totals(); got.Started != 20_000 || got.Accepted != 20_000 {
		t.Errorf("Totals() = %+v, want 20000 started and accepted", got)
	}
}
