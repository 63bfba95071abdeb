//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"
)

// A cluster client, which is tried first, looks at the cluster once more, a
// second after Close.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
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
	testkit.Eventually(t, "up", g.Up)
	testkit.Eventually(t, "a call", func() bool { n, err := increment(g); return err == nil && n > 0 })

	server.Stop()
	if _, err := increment(g); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrDown) {
		t.Errorf("call while stopped: %v; want ErrTimeout", err)
	}
	testkit.Eventually(t, "fail at once", func() bool { _, err := increment(g); return errors.Is(err, ErrDown) })
	server.Continue()
	testkit.Eventually(t, "back", g.Up)
	testkit.Eventually(t, "a call", func() bool { _, err := increment(g); return err == nil })

	server.Kill()
	testkit.Eventually(t, "away", func() bool { return !g.Up() })
	server.Restart()
	testkit.Eventually(t, "back", g.Up)
	mu.Lock()
	defer mu.Unlock()
	for k := range told {
		if told[k] == (k%2 == 1) {
			t.Errorf("told %v; want true, false, true, ...", told)
			break
		}
	}
}

// A call that is too much for the time costs its caller the answer, and others at
// most theirs: none is told that Redis cannot be reached, because it answers a PING all the time.
func TestACallThatTakesTooLongTakesNobodyElseDown(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	// The library gives a connection up that says nothing for three seconds. A PING has
	// little time, therefore, and on a busy machine the guard may be right: try again.
	const (
		timeout = time.Second
		tries   = 10
	)
	for try := 1; ; try++ {
		told := make(chan bool, 100)
		g := NewGuard(config, timeout, func(up bool, _ error) { told <- up })
		testkit.Eventually(t, "up", g.Up)
		// WAIT for a replica that there is not keeps the connection busy, not Redis.
		_, slow := Do(g, func(ctx context.Context, c rueidis.Client) (int64, error) {
			return c.Do(ctx, c.B().Arbitrary("WAIT", "1", "1500").Build()).AsInt64()
		})
		_, next := increment(g)
		testkit.Eventually(t, "an answer", func() bool { _, err := increment(g); return err == nil })
		g.Close()
		down := len(told) - 1
		if errors.Is(slow, ErrTimeout) && (next == nil || errors.Is(next, ErrTimeout)) && down == 0 {
			return
		}
		if try == tries {
			t.Fatalf("a call that takes too long = %v, the next one = %v, and the guard went down %d times; want %v, an answer, 0", slow, next, down, ErrTimeout)
		}
	}
}

func TestGuardBoundsTheCallsUnderWay(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(config, testkit.Patience, func(bool, error) {})
	defer g.Close()
	testkit.Eventually(t, "up", g.Up)
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
	testkit.Eventually(t, "full", func() bool { _, err := increment(g); return errors.Is(err, ErrBusy) })
	for range ReservedCalls + 1 { // one after the other: each gives its place back
		if _, err := DoFirst(g, ForMembers, func(ctx context.Context, c rueidis.Client) (int64, error) {
			return c.Do(ctx, c.B().Incr().Key("first").Build()).AsInt64()
		}); err != nil {
			t.Errorf("DoFirst() where there is no room for others = %v; want an answer", err)
		}
	}
	close(release)
	all.Wait()
	testkit.Eventually(t, "room", func() bool { _, err := increment(g); return err == nil })
}

// The client has what a call sends until Redis answers, also when nobody waits for it any more.
func TestACallCountsUntilTheClientHasLetGoOfIt(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	g := NewGuard(config, 100*time.Millisecond, func(bool, error) {})
	defer g.Close()
	send := func(n int) error {
		_, err := DoSending(g, n, func(ctx context.Context, c rueidis.Client) (int64, error) {
			return c.Do(ctx, c.B().Incr().Key("n").Build()).AsInt64()
		})
		return err
	}
	// Where the machine is busy, the guard may take Redis for gone, or the client its connection.
	testkit.Eventually(t, "calls that are not answered count", func() bool {
		testkit.Eventually(t, "a call", func() bool { return send(maxSending) == nil })
		server.Do("CLIENT", "PAUSE", "1000000", "WRITE") // others are answered
		defer server.Do("CLIENT", "UNPAUSE")
		large, more := send(maxSending), send(1)
		answers := make([]error, maxCalls-1)
		var all sync.WaitGroup
		for k := range answers {
			all.Go(func() { answers[k] = send(0) })
		}
		all.Wait()
		full := send(0)
		for _, err := range append(answers, large) {
			if err == nil {
				t.Errorf("a call is answered; want none")
			}
		}
		return errors.Is(large, ErrTimeout) && errors.Is(more, ErrBusy) && errors.Is(full, ErrBusy)
	})
	testkit.Eventually(t, "a call", func() bool { return send(maxSending) == nil })
}

// A Redis that answers and refuses counts as reachable: the caller learns why it refused.
func TestGuardTellsRefusedFromAway(t *testing.T) {
	server := redistest.Start(t, "--user", "u", "on", ">secret", "~*", "+@all")
	for _, address := range []string{
		"redis://u:wrong@" + server.Addr,   // WRONGPASS
		"redis://nobody:x@" + server.Addr,  // WRONGPASS
		"redis://" + server.Addr + "/4711", // ERR DB index is out of range
	} {
		config, err := Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan error, 10)
		g := NewGuard(config, testkit.Patience, func(_ bool, err error) { told <- err })
		if err := <-told; !Refused(err) {
			t.Errorf("%s: changed was told %v; want it refused", address, err)
		}
		if _, err := increment(g); !errors.Is(err, ErrDown) || !Refused(err) {
			t.Errorf("%s: a call = %v; want %v, and that it was refused", address, err, ErrDown)
		}
		g.Close()
	}

	config, _ := Parse("redis://u:secret@" + server.Addr)
	told := make(chan string, 10)
	g := NewGuard(config, testkit.Patience, func(up bool, err error) { told <- fmt.Sprint(up, Refused(err)) })
	defer g.Close()
	want := func(state string) {
		t.Helper()
		for got := ""; got != state; got = <-told { // a dying connection may show first
		}
	}
	want("true false")
	server.Do("ACL", "SETUSER", "u", "off")
	server.Do("CLIENT", "KILL", "USER", "u")
	want("false true")
	server.Kill()
	want("false false")
	server.Restart()
	want("true false")
	if _, err := increment(g); err != nil {
		t.Errorf("a call = %v; want none", err)
	}
}
