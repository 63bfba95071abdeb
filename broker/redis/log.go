package redis

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Sampled returns a logger that writes each message at most three times in ten
// seconds: what goes wrong with Redis goes wrong with every call. A nil logger
// gives one that is silent.
func Sampled(log *zap.Logger) *zap.Logger {
	if log == nil {
		return zap.NewNop()
	}
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, 10*time.Second, 3, 0)
	}))
}
