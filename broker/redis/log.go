package redis

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logEvery is the rhythm of lines of one kind.
const logEvery = 5 * time.Second

// Logger returns a logger of what goes wrong with a Redis, which goes wrong with
// every call: each message is written at once and then again after logEvery, not
// more often, and says which Redis. A nil log gives one that is silent.
func Logger(log *zap.Logger, c Config) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return Sampled(log.With(zap.Stringer("redis", c)))
}

// Sampled is log in the rhythm of [Logger].
func Sampled(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, logEvery, 1, 0)
	}))
}

// Refused reports whether err is the answer of a Redis that is there and wants another
// login, database or right.
func Refused(err error) bool {
	var e *rueidis.RedisError
	if !errors.As(err, &e) {
		return false
	}
	text := e.Error() // without "ERR"
	switch code, _, _ := strings.Cut(text, " "); code {
	case "NOPERM", "NOAUTH", "WRONGPASS", "AUTH", "SELECT":
		return true
	}
	return strings.Contains(text, "DB index")
}

// Error is the log field of err and, if Redis refused, one of what to look at.
func Error(err error) zap.Field {
	if !Refused(err) {
		return zap.Error(err)
	}
	return zap.Inline(zapcore.ObjectMarshalerFunc(func(e zapcore.ObjectEncoder) error {
		zap.Error(err).AddTo(e)
		e.AddString("check", "user, password and database in -redis, and that user's rights")
		return nil
	}))
}
