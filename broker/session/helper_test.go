package session

import "sync/atomic"

var clock atomic.Int64

func init() { clock.Store(1_000_000) }

// stored makes a session event, each newer than the one before.
func stored(practice, user, action, data string) Event {
	return Event{
		ID: NewID(), Source: user, Target: "card", Data: data,
		Action: action, Type: UserSession, Practice: practice, At: clock.Add(1),
	}
}
