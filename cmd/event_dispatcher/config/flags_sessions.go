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
	t.read("default-practice", "myPracticeId", "`practice` of session events that name none", c.practice)
	t.durationOrOff(&c.Service.Grace, "session-grace", 5*time.Second, 0, long, "how long after its last socket closed a user is logged out")
	t.duration(&c.Sockets.Ping, "socket-ping", 25*time.Second, 10*time.Millisecond, long, "time between two pings of a session socket; two without an answer end it")
	t.count(&c.Sockets.MaxSockets, "max-sockets", 10_000, 1, many, "most session sockets at once")
	t.read("socket-origins", "", "`origins` besides the service's own whose pages may open session sockets, comma-separated; * means all", each(&c.Transport.SocketOrigins, originOrAll))
}

func (c *Config) practice(name string) error {
	if !session.ValidName(name) {
		return fmt.Errorf("must have from 1 to %d bytes of UTF-8", session.MaxName)
	}
	c.Sessions.DefaultPractice, c.Service.DefaultPractice, c.Sockets.DefaultPractice = name, name, name
	return nil
}
