package learner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/conformance"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/lineage"
)

// question and answer are what a wire carries.
type question struct {
	Method     string
	Run, N     uint64
	Most       int
	Checkpoint lineage.Checkpoint
}

type answer struct {
	Windows    []uint64
	Window     lineage.Window
	Checkpoint lineage.Checkpoint
	Suite      conformance.Suite
	Found      bool
	Error      string
}

// wire is a Chain in another process.
type wire string

var _ Chain = wire("")

func (w wire) ask(ctx context.Context, q question) (a answer, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(w), bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func (w wire) ChainID() string { return testChain }

func (w wire) Settled(ctx context.Context, run, from uint64, most int) ([]uint64, error) {
	a, err := w.ask(ctx, question{Method: "Settled", Run: run, N: from, Most: most})
	return a.Windows, err
}

func (w wire) Window(ctx context.Context, run, window uint64) (lineage.Window, error) {
	a, err := w.ask(ctx, question{Method: "Window", Run: run, N: window})
	return a.Window, err
}

func (w wire) Checkpoint(ctx context.Context, run, version uint64) (lineage.Checkpoint, bool, error) {
	a, err := w.ask(ctx, question{Method: "Checkpoint", Run: run, N: version})
	return a.Checkpoint, a.Found, err
}

func (w wire) Suite(ctx context.Context, run uint64) (conformance.Suite, error) {
	a, err := w.ask(ctx, question{Method: "Suite", Run: run})
	return a.Suite, err
}

func (w wire) Head(ctx context.Context, run uint64) (lineage.Checkpoint, error) {
	a, err := w.ask(ctx, question{Method: "Head", Run: run})
	return a.Checkpoint, err
}

func (w wire) Publish(ctx context.Context, run uint64, c lineage.Checkpoint) error {
	_, err := w.ask(ctx, question{Method: "Publish", Run: run, Checkpoint: c})
	return err
}

func (w wire) Accuse(context.Context, uint64, uint64, []byte, uint64) error { return nil }

// serve answers for a chain at the other end of a wire.
func serve(t *testing.T, c Chain) wire {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		var a answer
		err := json.NewDecoder(r.Body).Decode(&q)
		if err == nil {
			switch q.Method {
			case "Settled":
				a.Windows, err = c.Settled(r.Context(), q.Run, q.N, q.Most)
			case "Window":
				a.Window, err = c.Window(r.Context(), q.Run, q.N)
			case "Checkpoint":
				a.Checkpoint, a.Found, err = c.Checkpoint(r.Context(), q.Run, q.N)
			case "Suite":
				a.Suite, err = c.Suite(r.Context(), q.Run)
			case "Head":
				a.Checkpoint, err = c.Head(r.Context(), q.Run)
			case "Publish":
				err = c.Publish(r.Context(), q.Run, q.Checkpoint)
			}
		}
		if err != nil {
			a.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(a) // whoever was killed does not hear it
	}))
	t.Cleanup(server.Close)
	return wire(server.URL)
}

// A learner is killed with SIGKILL again and again, also between broadcast and journal, while nodes that are behind answer
// some of its questions and versions fall now and then. It never ends by itself, never takes a version for fallen that
// stands, and in the end goes on from the head.
func TestKillsAmongOldAnswersLoseNoVersion(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	base, err := models.Base()
	require.NoError(t, err)
	b := &behind{network: newNetwork(t, base)}
	b.staleness = 1 << 20
	home, url := t.TempDir(), serve(t, b)

	// child learns until it is killed: after life, or as soon as done says so.
	child := func(life time.Duration, done func() bool) {
		cmd, rest := startHelper(t, "TestHelperFollow", "LEARNER_TEST_FOLLOW="+home, "LEARNER_TEST_CHAIN="+string(url))
		for end := time.Now().Add(life); time.Now().Before(end) && !done(); {
			select {
			case text := <-rest:
				t.Fatalf("it ended by itself: %s, %v", text, cmd.Wait())
			case <-time.After(5 * time.Millisecond):
			}
		}
		require.NoError(t, cmd.Process.Kill())
		<-rest
		_ = cmd.Wait() // says that it was killed
	}
	count := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.checkpoints) }
	window := uint64(0)
	for round := range 20 {
		b.settle(t, window, 0, base.Digest, base.Model, 2, generate.Honest{})
		window++
		b.mu.Lock()
		if head := b.head(); head > 0 && round%5 == 4 {
			b.fell[uint64(head)] = true
		}
		b.heads, b.versions, b.old, b.stood = random.IntN(3), random.IntN(2), 1+random.IntN(len(b.checkpoints)), true
		b.mu.Unlock()
		before, published := count(), time.Time{}
		linger := time.Duration(random.Int64N(int64(40 * time.Millisecond))) // after the publication, before the journal has it
		child(time.Duration(random.Int64N(int64(2*time.Second))), func() bool {
			if count() > before && published.IsZero() {
				published = time.Now()
			}
			return !published.IsZero() && time.Since(published) > linger
		})
	}
	b.lag(0, 0, 0, false)
	made := count()
	t.Logf("%d versions published under 20 kills, %d fell", made-1, len(b.fell))
	b.settle(t, window, 0, base.Digest, base.Model, 4, generate.Honest{})
	trained := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		newest := b.checkpoints[len(b.checkpoints)-1]
		return len(newest.TrainedWindows) > 0 && newest.TrainedWindows[len(newest.TrainedWindows)-1] == window
	}
	child(time.Minute, trained)
	require.True(t, trained())

	core, err := OpenCore(Home(home), testChain, 1, base)
	require.NoError(t, err)
	defer core.Close()
	for v := 1; v < count(); v++ {
		r, found, err := core.journal.Version(uint64(v))
		require.NoError(t, err)
		require.True(t, found, "version %d", v)
		require.Equal(t, b.checkpoints[v].Digest, []byte(r.Digest), "version %d", v)
		require.Equal(t, b.fell[uint64(v)], r.Fell, "version %d", v)
	}
}

// TestHelperFollow is the process that TestKillsAmongOldAnswersLoseNoVersion kills.
func TestHelperFollow(t *testing.T) {
	home := os.Getenv("LEARNER_TEST_FOLLOW")
	if home == "" {
		t.Skip("only as a child of another test")
	}
	base, err := models.Base()
	require.NoError(t, err)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	config.Train.MaxStaleness = 1 << 20
	core, err := OpenCore(Home(home), testChain, config.Train.Threads, base)
	require.NoError(t, err)
	fmt.Println("ready")
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	require.NoError(t, NewDaemon(config, wire(os.Getenv("LEARNER_TEST_CHAIN")), core, nil, log).Run(t.Context()))
}
