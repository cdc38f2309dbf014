package daemon

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts: it doubles from Min to Max, and a random
// part of up to a half is taken off, so that many daemons do not come back at
// the same moment.
type Backoff struct {
	Min, Max time.Duration
}

// DefaultBackoff suits a node that restarts.
var DefaultBackoff = Backoff{Min: 250 * time.Millisecond, Max: 10 * time.Second}

// Pause is the time to wait after the given number of failed attempts, from 1.
func (b Backoff) Pause(failed int) time.Duration {
	d := b.Min
	for i := 1; i < failed && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	if d < 2 {
		return d
	}
	return d - rand.N(d/2)
}

// permanent marks an error that no attempt will cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error so that Retry gives up and returns it. Nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err was marked by Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// Retry calls try until it succeeds, returns a Permanent error, or ctx ends. what
// completes "cannot ...", such as "reach node http://127.0.0.1:26657". The first
// failure, every one whose text is new, and the recovery are logged.
func Retry(ctx context.Context, log *slog.Logger, b Backoff, what string, try func(context.Context) error) error {
	last := ""
	for failed := 0; ; {
		err := try(ctx)
		if err == nil {
			if failed > 0 {
				log.Info("recovered: can "+what+" again", "attempts", failed+1)
			}
			return nil
		}
		if ctx.Err() != nil || IsPermanent(err) {
			return err
		}
		failed++
		pause := b.Pause(failed)
		if text := err.Error(); text != last {
			last = text
			log.Warn("cannot "+what+"; trying again", "error", text, "in", pause.Round(time.Millisecond))
		}
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// Sleep waits for d or until ctx ends, whose error it returns then.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Unmark removes Permanent's mark, so that callers see the error that was marked.
func Unmark(err error) error {
	if p, ok := err.(permanent); ok { //nolint:errorlint // only the outermost mark
		return p.error
	}
	return err
}
