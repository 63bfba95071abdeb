package redis

import (
	"time"

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
	return log.With(zap.Stringer("redis", c)).WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, logEvery, 1, 0)
	}))
}
