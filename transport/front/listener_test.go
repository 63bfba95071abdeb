package front

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"event-dispatcher/internal/testkit"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func wrap(ln net.Listener) (*listener, *atomic.Uint64, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	backoffs := new(atomic.Uint64)
	return &listener{
		Listener: ln, open: &connections{}, refusing: &connections{}, backoffs: backoffs,
		log: zap.New(core), closed: make(chan struct{}),
	}, backoffs, logs
}

func TestAcceptBacksOffWithoutDescriptors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		for range 5 {
			for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
				errs = append(errs, testkit.AcceptError(errno))
			}
		}
		inner := testkit.FailingListener(errs...)
		l, backoffs, logs := wrap(inner)
		start := time.Now()
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		// 5 + 10 + ... + 640 ms, then a second each.
		const want = 1275*time.Millisecond + 12*time.Second
		time.Sleep(want - time.Nanosecond)
		synctest.Wait()
		if left := inner.Left(); left != 0 || backoffs.Load() != 20 {
			t.Errorf("after %v: %d errors left, %d back-offs; want 0, 20", time.Since(start), left, backoffs.Load())
		}
		if n := logs.Len(); n != 20 || logs.All()[0].Message != logs.All()[19].Message {
			t.Errorf("log lines = %d; want 20 of one kind, which sampling thins out", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := backoffs.Load(); got != 20 {
			t.Errorf("back-offs after accepting works again = %d; want still 20", got)
		}
		l.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() = %v; want %v", err, net.ErrClosed)
		}
	})
}

func TestCloseEndsABackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := testkit.FailingListener(testkit.AcceptError(syscall.EMFILE), testkit.AcceptError(syscall.EMFILE))
		l, _, _ := wrap(inner)
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		time.Sleep(minBackoff + 1)
		start := time.Now()
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Errorf("Close(), twice = %v; want nil", err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("Accept() = %v, %v after Close; want %v at once", err, time.Since(start), net.ErrClosed)
		}
	})
}
