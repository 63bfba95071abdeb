//go:build unix

package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"
)

// A cluster client, which is tried first, looks at the cluster once more, a
// second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

const soon = 60 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, soon)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func increment(g *Guard) (int64, error) {
	return Do(g, func(ctx context.Context, c rueidis.Client) (int64, error) {
		return c.Do(ctx, c.B().Incr().Key("n").Build()).AsInt64()
	})
}

func TestGuardFollowsRedis(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []bool
	g := NewGuard(config, 200*time.Millisecond, func(up bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, up)
		if up != (err == nil) {
			t.Errorf("changed(%v, %v)", up, err)
		}
	})
	defer g.Close()
	eventually(t, "up", g.Up)
	eventually(t, "a call", func() bool { n, err := increment(g); return err == nil && n > 0 })

	server.Stop()
	if _, err := increment(g); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrDown) {
		t.Errorf("call while stopped: %v; want ErrTimeout", err)
	}
	eventually(t, "fail at once", func() bool { _, err := increment(g); return errors.Is(err, ErrDown) })
	server.Continue()
	eventually(t, "back", g.Up)
	eventually(t, "a call", func() bool { _, err := increment(g); return err == nil })

	server.Kill()
	eventually(t, "away", func() bool { return !g.Up() })
	server.Restart()
	eventually(t, "back", g.Up)
	mu.Lock()
	defer mu.Unlock()
	for k := range told {
		if told[k] == (k%2 == 1) {
			t.Errorf("told %v; want true, false, true, ...", told)
			break
		}
	}
}

func TestGuardBoundsTheCallsUnderWay(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(config, soon, func(bool, error) {})
	defer g.Close()
	eventually(t, "up", g.Up)
	release := make(chan struct{})
	var all sync.WaitGroup
	for range maxCalls {
		all.Go(func() {
			// The calls that look whether it is full take a place, too.
			for err := ErrBusy; errors.Is(err, ErrBusy); {
				_, err = Do(g, func(context.Context, rueidis.Client) (int, error) { <-release; return 0, nil })
			}
		})
	}
	eventually(t, "full", func() bool { _, err := increment(g); return errors.Is(err, ErrBusy) })
	close(release)
	all.Wait()
	eventually(t, "room", func() bool { _, err := increment(g); return err == nil })
}
