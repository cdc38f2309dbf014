package learner

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/testutil/tiny"
)

var quick = FetchConfig{Timeout: 2 * time.Second, Stall: 200 * time.Millisecond, Attempts: 3, MaxBytes: 1 << 20, Parallel: 2, AllowPrivate: "yes"}

func committed(t *testing.T) (batch.Batch, []byte) {
	t.Helper()
	rollouts, err := generate.Groups(context.Background(), tiny.Engine(t, "base"), tiny.Tokenizer(t), tiny.Challenge(t, 1), []uint64{0, 1, 2})
	require.NoError(t, err)
	b, err := batch.New(rollouts)
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, b.WriteFile(&file))
	return b, file.Bytes()
}

// serveBatch serves what answer writes, at the address of the batch alone, and counts requests.
func serveBatch(t *testing.T, b batch.Batch, answer http.HandlerFunc) (lineage.Batch, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !strings.HasPrefix(r.URL.Path, "/batches/") {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return lineage.Batch{Root: b.Root(), Groups: 3, Bytes: b.PayloadBytes(), Locator: server.URL}, &asked
}

func TestFetchBringsTheCommittedBatch(t *testing.T) {
	b, file := committed(t)
	failures := int64(2) // a server that is just starting
	at, asked := serveBatch(t, b, func(w http.ResponseWriter, _ *http.Request) {
		if failures > 0 {
			failures--
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(file)
	})
	got, err := NewHTTPFetcher(quick, testChain).Fetch(context.Background(), at, 4)
	require.NoError(t, err)
	require.Equal(t, b.Leaves, got.Leaves)
	require.EqualValues(t, 3, asked.Load())
}

func TestFetchSurvivesServersThatLie(t *testing.T) {
	b, file := committed(t)
	other := batch.Batch{Leaves: b.Leaves[:8]}
	var otherFile bytes.Buffer
	require.NoError(t, other.WriteFile(&otherFile))
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
		tries  int64
	}{
		{"not there", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, daemon.ErrFetchStatus, 3},
		{"another batch", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(otherFile.Bytes()) }, batch.ErrRoot, 1},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file[:len(file)/2]) }, batch.ErrFile, 3},
		{"no batch file", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("hello, this is no batch file at all, sorry about that; nothing here"))
		}, batch.ErrFile, 3},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(file[:56])
			for chunk := make([]byte, 1<<16); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, nil, 0},
		{"stalls", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(file[:60])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, daemon.ErrFetchSlow, 3},
		{"redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/batches/x", http.StatusFound)
		}, daemon.ErrFetchRedirect, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at, asked := serveBatch(t, b, tt.answer)
			_, err := NewHTTPFetcher(quick, testChain).Fetch(context.Background(), at, 4)
			require.Error(t, err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				require.Equal(t, tt.tries, asked.Load())
			}
		})
	}
	for _, locator := range []string{"", "file:///etc", "http://", "::"} {
		_, err := NewHTTPFetcher(quick, testChain).Fetch(context.Background(), lineage.Batch{Locator: locator, Root: b.Root(), Groups: 3, Bytes: 1000}, 4)
		require.ErrorIs(t, err, daemon.ErrFetchURL, locator)
	}
}

// A miner that declares a small batch cannot make the learner hold a large one.
func TestFetchHoldsTheServerToTheCommittedSize(t *testing.T) {
	b, file := committed(t)
	at, _ := serveBatch(t, b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) })
	at.Bytes = 100
	_, err := NewHTTPFetcher(quick, testChain).Fetch(context.Background(), at, 4)
	require.ErrorIs(t, err, batch.ErrTooLarge)
}
