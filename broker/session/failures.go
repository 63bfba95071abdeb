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
	case errors.Is(err, errTooMany):
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
func (s *Redis) failed(call, keys string, err error) {
	reason := reasonOf(err)
	s.failures[reason].Add(1)
	if errors.Is(err, redis.ErrDown) {
		return
	}
	s.logOf(failure{call, Reasons[reason]}).Warn("sessions: Redis call failed", zap.String("keys", keys), redis.Error(err))
}

// A failure is one kind of line in the log.
type failure struct{ call, reason string }

// logOf is the log of one kind. Each has a rhythm of its own, so that what happens often
// does not hide the rest.
func (s *Redis) logOf(f failure) *zap.Logger {
	log, ok := s.logs.Load(f)
	if !ok {
		log, _ = s.logs.LoadOrStore(f, redis.Logger(s.options.Log, s.options.Server).With(zap.String("call", f.call), zap.String("reason", f.reason)))
	}
	return log.(*zap.Logger)
}

// noteWrite remembers whether the server takes writes.
func (s *Redis) noteWrite(err error) {
	if err == nil {
		s.refuses.Store(false)
		return
	}
	if word := Reasons[reasonOf(err)]; word == "full" || word == "readonly" {
		s.refuses.Store(true)
	}
}

// Refuses reports whether the server answers and did not take the last write, for want
// of memory or because it takes none at all, so that events wait for it.
func (s *Redis) Refuses() bool {
	if !s.refuses.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.missed) > 0
}

// RedisStats is a snapshot of a [Redis].
type RedisStats struct {
	Up       bool
	Missed   int // events that wait for the server
	Mirror   MemoryStats
	Failures map[string]uint64 // by reason, all of Reasons
}

// Stats takes a snapshot.
func (s *Redis) Stats() RedisStats {
	st := RedisStats{Up: s.Up(), Mirror: s.mirror.Stats(), Failures: make(map[string]uint64, len(Reasons))}
	for i, reason := range Reasons {
		st.Failures[reason] = s.failures[i].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Missed = len(s.missed)
	return st
}
