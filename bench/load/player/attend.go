package player

import (
	"bytes"
	"fmt"
	"io"

	"event-dispatcher/bench/load/sock"

	"golang.org/x/sys/unix"
)

// attend reacts to news of a lane's connection: room to write, answers, the
// end.
func (l *loop) attend(ln *lane, news uint32) error {
	if ln.fd < 0 {
		return nil // news of a connection closed since
	}
	if news&unix.EPOLLOUT != 0 {
		l.flush(ln)
	}
	for ln.fd >= 0 {
		rest := copy(l.buf, ln.rest)
		n, errno := sock.Recv(ln.fd, l.buf[rest:])
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 || n == 0 {
			l.end(ln, errno)
			break
		}
		full := rest+n == len(l.buf)
		if err := l.answers(ln, l.buf[:rest+n]); err != nil {
			return err
		}
		if !full && news&unix.EPOLLRDHUP == 0 {
			break // an edge tells of what comes later
		}
	}
	l.offer(ln)
	return nil
}

// end handles a connection that the other side has finished with.
func (l *loop) end(ln *lane, errno unix.Errno) {
	if errno == 0 && len(ln.flights) == 0 {
		ln.close(false) // idle, or after its last answer
		return
	}
	var err error = io.ErrUnexpectedEOF
	if errno != 0 {
		err = errno
	}
	l.lose(ln, err)
}

// answers takes the complete answers from b and keeps the beginning of the
// next.
func (l *loop) answers(ln *lane, b []byte) error {
	now := l.opt.Clock.Now()
	accepted, rejected := 0, 0
	closes := false
	for len(b) > 0 {
		a, complete, err := parseAnswer(b)
		if err != nil {
			return fmt.Errorf("players: %s does not answer like a dispatcher: %w", ln.target, err)
		}
		if !complete {
			break
		}
		if len(ln.flights) == 0 {
			return fmt.Errorf("players: %s answered what was not asked", ln.target)
		}
		intended := ln.flights[0]
		ln.flights = append(ln.flights[:0], ln.flights[1:]...)
		if l.opt.Foreign && a.status/100 == 2 {
			a.status = 200 // another server says that it took the event in another way
		}
		l.statuses[min(a.status, len(l.statuses)-1)]++
		if a.status == 200 {
			accepted++
		} else {
			rejected++
			if l.refusal == "" {
				l.refusal = firstLine(b[:a.size])
			}
		}
		if l.opt.Window.Holds(intended, now) {
			_ = l.latency.RecordValue(now - intended)
		}
		closes = closes || a.closes
		b = b[a.size:]
	}
	ln.rest = append(ln.rest[:0], b...)
	l.flying -= accepted + rejected
	l.opt.Book.Accept(uint64(accepted))
	l.opt.Book.Reject(uint64(rejected))
	if accepted+rejected > 0 {
		l.failures = 0
	}
	if (closes || ln.last) && len(ln.flights) == 0 && !ln.unload {
		ln.close(false)
	}
	if l.statuses[200] == 0 && l.statusTotal() >= hopelessAnswers {
		return fmt.Errorf("players: none of the first %d events was accepted; %s answered %q", l.statusTotal(), ln.target, l.refusal)
	}
	return nil
}

// hopelessAnswers without a single 200 show that this is no dispatcher.
const hopelessAnswers = 100

func (l *loop) statusTotal() (n uint64) {
	for _, count := range l.statuses {
		n += count
	}
	return n
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	return string(line[:min(len(line), 100)])
}
