package session

var clock int64 = 1_000_000

// stored makes a session event, each newer than the one before.
func stored(practice, user, action, data string) Event {
	clock++
	return Event{
		ID: NewID(), Source: user, Target: "card", Data: data,
		Action: action, Type: UserSession, Practice: practice, At: clock,
	}
}
