package process

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes lines to w, JSON or for people, and few of a kind per second. Logging
// never waits for w: see [Lines], which are to be closed in the end.
func NewLogger(level zapcore.Level, people bool, w io.Writer) (*zap.Logger, *Lines) {
	form := zap.NewProductionEncoderConfig()
	form.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	form.EncodeDuration = zapcore.StringDurationEncoder
	form.TimeKey = "time"
	enc := zapcore.NewJSONEncoder(form)
	if people {
		form.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
		form.EncodeLevel = zapcore.CapitalLevelEncoder
		form.ConsoleSeparator = "  "
		enc = zapcore.NewConsoleEncoder(form)
	}
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
