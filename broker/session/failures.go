package session

import (
	"errors"
	"strings"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
	"go.uber.org/zap"
)

// Reasons are the words for what can go wrong with the server.
var Reasons = [...]string{"down", "busy", "timeout", "full", "readonly", "wrong_type", "corrupt", "too_many", "denied", "other"}

// corrupt wraps the error of a value that is no event.
type corrupt struct{ error }

// reasonOf is an index into Reasons.
func reasonOf(err error) int {
	word := "other"
	var c corrupt
	switch {
	case redis.Refused(err):
		word = "denied"
	case errors.Is(err, redis.ErrDown):
		word = "down"
	case errors.Is(err, redis.ErrBusy):
		word = "busy"
	case errors.Is(err, redis.ErrTimeout):
		word = "timeout"
	case errors.Is(err, errTooMany), errors.Is(err, errTooMuch):
		word = "too_many"
	case errors.As(err, &c):
		word = "corrupt"
	default:
		if e, ok := rueidis.IsRedisErr(err); ok {
			code, _, _ := strings.Cut(e.Error(), " ")
			switch code {
			case "OOM":
				word = "full"
			case "WRONGTYPE":
				word = "wrong_type"
			case "READONLY", "MISCONF":
				word = "readonly" // a replica, or a disk that takes nothing
			}
		}
	}
	for i := range Reasons {
		if Reasons[i] == word {
			return i
		}
	}
	return len(Reasons) - 1
}

// failed counts a failed call, and logs it unless Redis is known to be down. keys is a
// pattern of the keys that it was about: names of users are not logged.
func (s *server) failed(call, keys string, err error) {
	reason := reasonOf(err)
	s.failures[reason].Add(1)
	if errors.Is(err, redis.ErrDown) {
		return
	}
	text := "sessions: Redis call failed"
	if errors.Is(err, errTooMany) || errors.Is(err, errTooMuch) {
		text = "sessions: not all was read"
	}
	s.logOf(failure{call, Reasons[reason]}).Warn(text, zap.String("keys", keys), redis.Error(err))
}

// A failure is one kind of line in the log.
type failure struct{ call, reason string }

// logOf is the log of one kind. Each has a rhythm of its own, so that what happens often
// does not hide the rest.
func (s *server) logOf(f failure) *zap.Logger {
	log, ok := s.logs.Load(f)
	if !ok {
		log, _ = s.logs.LoadOrStore(f, redis.Logger(s.options.Log, s.options.Server).With(zap.String("call", f.call), zap.String("reason", f.reason)))
	}
	return log.(*zap.Logger)
}
