package redis

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestLoggerNamesTheServerInAnEvenRhythm(t *testing.T) {
	config, err := Parse("redis://user:hunter2@a:1,b:2/0")
	if err != nil {
		t.Fatal(err)
	}
	core, lines := observer.New(zapcore.InfoLevel)
	synctest.Test(t, func(t *testing.T) {
		log := Logger(zap.New(core, zap.WithClock(bubble{})), config)
		for range 200 {
			log.Warn("away")
			time.Sleep(logEvery / 20)
		}
	})
	if n := lines.Len(); n != 10 {
		t.Errorf("%d lines in 10 × %v; want 10", n, logEvery)
	}
	for k, line := range lines.All() {
		if got := line.ContextMap()["redis"]; got != "a:1,b:2" {
			t.Errorf("redis = %v; want the hosts without the login", got)
		}
		if k > 0 {
			if gap := line.Time.Sub(lines.All()[k-1].Time); gap < logEvery || gap > logEvery*11/10 {
				t.Errorf("%v between two lines; want about %v", gap, logEvery)
			}
		}
	}
	if Logger(nil, config) == nil {
		t.Error("Logger(nil) = nil; want a silent one")
	}
}

// A bubble's clock is that of synctest.
type bubble struct{}

func (bubble) Now() time.Time                         { return time.Now() }
func (bubble) NewTicker(d time.Duration) *time.Ticker { return time.NewTicker(d) }

func TestBackoffGrowsToItsLimitAndIsNeverInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pause Backoff
		wait := func() time.Duration {
			begin := time.Now()
			pause.Wait(t.Context())
			return time.Since(begin)
		}
		for round := range 2 {
			for limit := minPause; limit < maxPause; limit *= 2 {
				if d := wait(); d < limit/2 || d > limit {
					t.Errorf("round %d: pause of %v; want %v to %v", round, d, limit/2, limit)
				}
			}
			seen := map[time.Duration]bool{}
			for range 20 {
				d := wait()
				seen[d] = true
				if d < maxPause/2 || d > maxPause {
					t.Errorf("round %d: pause of %v; want %v to %v", round, d, maxPause/2, maxPause)
				}
			}
			if len(seen) < 2 {
				t.Error("all pauses are alike")
			}
			pause.Reset()
		}
	})
}
