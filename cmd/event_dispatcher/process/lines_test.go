package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// gate is a writer that stalls until it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.buf.Write(p)
}

func TestLoggingNeverWaitsForAWriterThatStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		log, lines := NewLogger(zapcore.InfoLevel, false, g)
		const n = 2 * maxLines
		for i := range n {
			log.Info(fmt.Sprint("line ", i)) // would block the test for ever
		}
		if got := lines.Dropped(); got == 0 || got >= n {
			t.Errorf("Dropped() after %d lines = %d; want some of them", n, got)
		}
		dropped := lines.Dropped()
		close(g.open)
		synctest.Wait()
		log.Info("the last")
		lines.Close()
		text := g.buf.String()
		if got := uint64(strings.Count(text, `"msg":"line `)) + dropped; got != n {
			t.Errorf("written and dropped lines = %d; want %d", got, n)
		}
		told := uint64(0) // in several lines if the first was written while others were dropped
		for _, m := range regexp.MustCompile(`"lines":(\d+)`).FindAllStringSubmatch(text, -1) {
			n, _ := strconv.ParseUint(m[1], 10, 64)
			told += n
		}
		if told != dropped {
			t.Errorf("the log tells of %d dropped lines; want %d", told, dropped)
		}
	})
}

func TestLargeLinesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		lines := newLines(g, func(uint64) []byte { return nil })
		for range 100 {
			lines.Write(make([]byte, maxLineBytes/10))
		}
		if got := lines.Dropped(); got != 90 {
			t.Errorf("Dropped() after 100 lines of a tenth of the bound = %d; want 90", got)
		}
		close(g.open)
		lines.Close()
		if got := g.buf.Len(); got != maxLineBytes/10*10 {
			t.Errorf("written bytes = %d; want 10 lines", got)
		}
	})
}

func TestLinesCloseInBoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		lines := newLines(g, func(uint64) []byte { return nil })
		lines.Write([]byte("a\n"))
		start := time.Now()
		lines.Close()
		Say(g, "b")
		if took := time.Since(start); took != 2*flushTime {
			t.Errorf("Close() and Say() with a writer that stalls took %v; want %v each", took, flushTime)
		}
		close(g.open)
		lines.Close()
	})
}

// failing is a pipe whose reader is gone, and then another one comes.
type failing struct {
	left int
	bytes.Buffer
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left >= 0 {
		return 0, syscall.EPIPE
	}
	return f.Buffer.Write(p)
}

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	t.Parallel()
	f := &failing{left: 4} // a line, and then a notice and a line, and a notice
	log, lines := NewLogger(zapcore.InfoLevel, false, f)
	for i := range 4 {
		log.Info("n", zap.Int("n", i))
	}
	lines.Close()
	if got := lines.Dropped(); got != 2 {
		t.Errorf("Dropped() = %d; want 2; written: %q", got, f.String())
	}
	if text := f.String(); !strings.Contains(text, `"n":2`) || !strings.Contains(text, `"n":3`) || !strings.Contains(text, `"lines":2`) {
		t.Errorf("the log is %q; want lines 2 and 3, and that 2 were dropped", text)
	}
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	t.Parallel()
	var to bytes.Buffer
	lines := newLines(&to, func(uint64) []byte { return nil })
	var want strings.Builder
	for i := range 1000 {
		fmt.Fprintln(lines, i)
		fmt.Fprintln(&want, i)
	}
	lines.Close()
	if err := lines.Sync(); err != nil || to.String() != want.String() || lines.Dropped() != 0 {
		t.Errorf("Close() left %d of %d bytes, Sync() = %v, Dropped() = %d; want all, nil, 0", to.Len(), want.Len(), err, lines.Dropped())
	}
	if _, err := lines.Write([]byte("late")); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write() after Close() = %v; want nil", err)
	}
}
