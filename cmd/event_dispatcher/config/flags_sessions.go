package config

import (
	"fmt"
	"time"

	"event-dispatcher/broker/session"
)

// sessions declares the flags of users' screens.
func (c *Config) sessions(t *table) {
	t.group("Sessions")
	t.durationOrOff(&c.Sessions.TTL, "session-ttl", time.Hour, time.Second, 365*long, "how long a session event is stored; 0 is for ever")
	t.read("default-practice", "myPracticeId", "`practice` of session events that name none", parsed(&c.Sessions.DefaultPractice, practice))
	t.durationOrOff(&c.Service.Grace, "session-grace", 5*time.Second, 0, long, "how long after its last socket closed a user is logged out")
	t.duration(&c.Sockets.Ping, "socket-ping", 25*time.Second, 10*time.Millisecond, long, "time between two pings of a session socket; two without an answer end it")
	t.count(&c.Sockets.MaxSockets, "max-sockets", 10_000, 1, many, "most session sockets at once")
	t.count(&c.Sockets.QueueBytes, "socket-bytes", 32<<20, 1<<20, 1<<46, "memory for events that wait for session sockets, in `bytes`; beyond it the oldest are skipped")
	t.count(&c.Sessions.MaxBytes, "session-bytes", 64<<20, 1<<20, 1<<46, "memory for stored session events, in `bytes`; beyond it the oldest are given up")
	t.count(&c.Sessions.MaxAbsentBytes, "session-absent-bytes", 16<<20, 1<<20, 1<<46, "part of that, and of Redis, for users without a session socket, in `bytes`; beyond it their oldest are given up")
	t.count(&c.Service.MaxLeaving, "session-leaving", 32_768, 1, many, "most `users` in their grace at once; beyond it no socket is opened (503)")
	t.read("socket-origins", "", "`origins` besides the service's own whose pages may open session sockets, comma-separated; * means all", each(&c.Transport.SocketOrigins, originOrAll))
}

func practice(name string) (string, error) {
	if !session.ValidName(name) {
		return "", fmt.Errorf("must have from 1 to %d bytes of UTF-8", session.MaxName)
	}
	return name, nil
}
