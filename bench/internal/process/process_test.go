package process

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestAServerThatEndsAtOnceSaysWhy(t *testing.T) {
	s, err := Start(context.Background(), "sh", []string{"-c", "echo no such luck >&2; exit 3"})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("error is %v", err)
	}
	if status := s.Stop(); status != "exit status 3" {
		t.Errorf("Stop() = %q", status)
	}
	if how, ended := s.Ended(); !ended || how != "exit status 3" {
		t.Errorf("Ended() = %q, %v", how, ended)
	}
}

func TestAServerThatNeverListensIsNotWaitedForForever(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, "sleep", []string{"60"}); err == nil || !strings.Contains(err.Error(), "does not listen") {
		t.Errorf("error is %v", err)
	}
	if _, err := Start(context.Background(), "no/such/program", nil); err == nil {
		t.Error("no error for a program that does not exist")
	}
}

func TestLongLogsKeepBothEnds(t *testing.T) {
	var l tail
	l.Write([]byte("first line\n"))
	for range 100 {
		l.Write([]byte(strings.Repeat("x", 1000)))
	}
	l.Write([]byte("\nlast line\n"))
	log := l.String()
	if !strings.HasPrefix(log, "first line\n") || !strings.HasSuffix(log, "\nlast line\n") || len(log) > 3*keep || !strings.Contains(log, "left out") {
		t.Errorf("log of %d bytes: %.40q … %q", len(log), log, log[len(log)-40:])
	}
	if got := lastLine(log); got != "last line" {
		t.Errorf("lastLine = %q", got)
	}
}
