package checkpoints

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/testutil/tiny"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine")) // of the keyring, for ever
}

func newCache(t *testing.T, mirrors ...string) *Cache {
	t.Helper()
	l := daemon.DefaultFetchLimits
	l.AllowPrivate = true
	f := daemon.NewFetcher(l)
	t.Cleanup(f.Close)
	return New(t.TempDir(), Config{MaxBytes: 1 << 30, Timeout: 5 * time.Second, Keep: 4, Threads: 1, Mirrors: mirrors}, f, slog.New(slog.DiscardHandler))
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// learner serves checkpoints of some versions until it is down.
func learner(t *testing.T, down *atomic.Bool) (url string, versions []checkpoint.Manifest) {
	t.Helper()
	root := t.TempDir()
	for v := range uint64(3) {
		m, _, err := checkpoint.Write(root, tiny.Model(t, fmt.Sprint("version ", v)), tokenizer.ArithmeticFile(), checkpoint.Options{Version: v})
		require.NoError(t, err)
		versions = append(versions, m)
	}
	files := http.StripPrefix("/checkpoints/", http.FileServer(http.Dir(root)))
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		files.ServeHTTP(w, r)
	})), versions
}

// TestACheckpointComesFromAMirrorWhenTheLearnerIsDown, and once it is known to fail, it is not asked first.
func TestACheckpointComesFromAMirrorWhenTheLearnerIsDown(t *testing.T) {
	var down atomic.Bool
	url, versions := learner(t, &down)
	locator := func(v int) string { return fmt.Sprintf("%s/checkpoints/%x/", url, versions[v].Digest()) }
	first := newCache(t)
	for v := range versions {
		p, err := first.Get(t.Context(), versions[v].Digest(), locator(v))
		require.NoError(t, err)
		require.Equal(t, versions[v].Digest(), p.Digest)
	}
	mirror := serve(t, first.Handler())
	empty := serve(t, newCache(t).Handler())
	down.Store(true)
	second := newCache(t, empty, mirror)
	require.Equal(t, locator(0), second.sources(locator(0), versions[0].Digest())[0], "nothing is known yet")
	for v := range versions {
		_, err := second.Get(t.Context(), versions[v].Digest(), locator(v))
		require.NoError(t, err)
		require.Equal(t, mirrorOf(mirror, versions[v].Digest()), second.sources(locator(v), versions[v].Digest())[0])
	}
	down.Store(false)
	second.measure(locator(0), locator(0), 1<<30, time.Second, nil)
	require.Equal(t, locator(0), second.sources(locator(0), versions[0].Digest())[0], "it is back, and faster")
}

func TestWhatKilledProcessesLeftIsRemoved(t *testing.T) {
	var down atomic.Bool
	url, versions := learner(t, &down)
	c := newCache(t)
	for name, age := range map[string]time.Duration{".fetch-old-1": 2 * stale, ".checkpoint-new": 0} {
		dir := filepath.Join(c.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(dir, at, at))
	}
	_, err := c.Get(t.Context(), versions[0].Digest(), fmt.Sprintf("%s/checkpoints/%x/", url, versions[0].Digest()))
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(c.dir, ".fetch-old-1"))
	require.DirExists(t, filepath.Join(c.dir, ".checkpoint-new"), "somebody may be at it")
}

func TestOnlyFilesOfCheckpointsAreServed(t *testing.T) {
	var down atomic.Bool
	url, versions := learner(t, &down)
	c := newCache(t)
	_, err := c.Get(t.Context(), versions[0].Digest(), fmt.Sprintf("%s/checkpoints/%x/", url, versions[0].Digest()))
	require.NoError(t, err)
	own := serve(t, c.Handler())
	digest := fmt.Sprintf("%x", versions[0].Digest())
	for path, want := range map[string]int{
		"/checkpoints/" + digest + "/manifest.json": http.StatusOK, "/checkpoints/" + digest + "/model.safetensors": http.StatusOK,
		"/checkpoints/" + digest + "/": http.StatusNotFound, "/checkpoints/" + digest: http.StatusNotFound, "/checkpoints/": http.StatusNotFound,
		"/checkpoints/" + digest + "/no": http.StatusNotFound, "/checkpoints/" + digest + "/../" + digest + "/config.json": http.StatusNotFound,
		"/checkpoints/" + digest + "/%2e%2e%2fx": http.StatusNotFound, "/checkpoints/xyz/manifest.json": http.StatusNotFound,
	} {
		resp, err := http.Get(own + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode, path)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Two windows may want one checkpoint, and one of them has less time than the other.
func TestWhoWaitsForAnothersDownloadWaitsNoLongerThanItMay(t *testing.T) {
	began := make(chan struct{}, 1)
	url := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	c := newCache(t)
	digest := make([]byte, 32)
	patient, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Get(patient, digest, url)
		ended <- err
	}()
	<-began
	hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Get(hasty, digest, url)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	select {
	case err := <-ended:
		t.Fatal("the other goes on, but it ended: ", err)
	default:
	}
	stop()
	require.Error(t, <-ended)
	require.Empty(t, c.busy)
}

// A grader of a swarm fetches some checkpoints while it loads others, which may be the oldest on disk.
func TestACheckpointThatIsAboutToBeLoadedStaysOnDisk(t *testing.T) {
	var down atomic.Bool
	url, versions := learner(t, &down)
	c := newCache(t)
	c.config.Keep = 1
	get := func(v int) {
		t.Helper()
		_, err := c.Get(t.Context(), versions[v].Digest(), fmt.Sprintf("%s/checkpoints/%x/", url, versions[v].Digest()))
		require.NoError(t, err)
	}
	here := func(v int) string { return checkpoint.Dir(c.dir, versions[v].Digest()) }
	get(0)
	done, err := c.alone(t.Context(), versions[0].Digest())
	require.NoError(t, err)
	get(1)
	require.DirExists(t, here(0))
	require.DirExists(t, here(1))
	done()
	get(2)
	require.NoDirExists(t, here(0))
	require.NoDirExists(t, here(1))
	require.DirExists(t, here(2))
}
