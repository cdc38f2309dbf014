package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
)

func TestRetrySaysOnceWhatFailsAndThatItRecovered(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	left := 5
	err := daemon.Retry(t.Context(), log, daemon.Backoff{Min: time.Millisecond, Max: 2 * time.Millisecond}, "reach the chain", func(context.Context) error {
		if left--; left > 0 {
			return errors.New("connection refused")
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(text.String(), "cannot reach the chain"), text.String())
	require.Equal(t, 1, strings.Count(text.String(), "recovered"), text.String())
}

func TestRetryGivesUpOnPermanentErrorsAndWhenItsContextEnds(t *testing.T) {
	cause := errors.New("wrong chain")
	tries := 0
	err := daemon.Retry(t.Context(), slog.New(slog.DiscardHandler), daemon.DefaultBackoff, "x", func(context.Context) error {
		tries++
		return daemon.Permanent(cause)
	})
	require.ErrorIs(t, err, cause)
	require.Equal(t, 1, tries)
	require.Equal(t, cause, daemon.Unmark(err))
	require.NoError(t, daemon.Permanent(nil))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = daemon.Retry(ctx, slog.New(slog.DiscardHandler), daemon.Backoff{Min: time.Hour, Max: time.Hour}, "x", func(context.Context) error { return cause })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestPausesGrowUpToTheirBound(t *testing.T) {
	b := daemon.Backoff{Min: 100 * time.Millisecond, Max: time.Second}
	for failed, most := range map[int]time.Duration{1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 100: time.Second} {
		for range 50 {
			p := b.Pause(failed)
			require.LessOrEqual(t, p, most)
			require.Greater(t, p, most/2-1)
		}
	}
}

func TestTheServerStopsWithItsContextAndNamesTheSettingOfATakenPort(t *testing.T) {
	l, err := daemon.Listen("127.0.0.1:0", "server.listen")
	require.NoError(t, err)
	_, err = daemon.Listen(l.Addr().String(), "server.listen")
	require.ErrorContains(t, err, "server.listen")
	mux := http.NewServeMux()
	daemon.Monitor(mux, daemon.NewRegistry(), func() any { return map[string]int{"height": 7} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- daemon.Serve(ctx, l, mux, time.Second, slog.New(slog.DiscardHandler)) }()
	f := fetcher(t, local)
	status, err := f.ReadAll(t.Context(), "http://"+l.Addr().String()+"/status", 1000)
	require.NoError(t, err)
	require.Contains(t, string(status), `"height": 7`)
	metrics, err := f.ReadAll(t.Context(), "http://"+l.Addr().String()+"/metrics", 1<<20)
	require.NoError(t, err)
	require.Contains(t, string(metrics), "process_start_time_seconds")
	f.Close()
	cancel()
	require.NoError(t, <-done)
	_, err = net.Dial("tcp", l.Addr().String())
	require.Error(t, err, "nobody listens any more")
}
