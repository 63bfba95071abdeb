package process

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes JSON lines to w, and few of a kind per second. Logging never waits
// for w: see [Lines], which are to be closed in the end.
func NewLogger(level zapcore.Level, w io.Writer) (*zap.Logger, *Lines) {
	form := zap.NewProductionEncoderConfig()
	form.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	form.EncodeDuration = zapcore.StringDurationEncoder
	form.TimeKey = "time"
	enc := zapcore.NewJSONEncoder(form)
	lines := newLines(w, func(dropped uint64) []byte {
		entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: "log lines were dropped: their reader stalled or was gone"}
		line, err := enc.EncodeEntry(entry, []zapcore.Field{zap.Uint64("lines", dropped)})
		if err != nil {
			return nil
		}
		return line.Bytes()
	})
	core := zapcore.NewCore(enc, lines, level)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, 10, 1000)), lines
}
