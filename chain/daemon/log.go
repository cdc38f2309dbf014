package daemon

import (
	"fmt"
	"io"
	"log/slog"
)

// LogConfig is the [log] section of a settings file.
type LogConfig struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // text, json
}

// Checks are the section's rules.
func (c LogConfig) Checks() []Check {
	return []Check{
		{"log.level", "debug, info, warn or error", IsOneOf(c.Level, "debug", "info", "warn", "error")},
		{"log.format", "text or json", IsOneOf(c.Format, "text", "json")},
	}
}

// NewLogger writes to w. Text is meant for people: the time of day, the level if
// it is not info, the message, then key=value.
func (c LogConfig) NewLogger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("%w: log.level: %w", ErrConfig, err)
	}
	opt := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt)), nil
	}
	opt.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch {
		case a.Key == slog.TimeKey:
			return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05.000"))
		case a.Key == slog.LevelKey && a.Value.String() == slog.LevelInfo.String():
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(w, opt)), nil
}
