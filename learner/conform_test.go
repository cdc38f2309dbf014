package learner

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/generate"
)

// another is the conformance digest of another build.
var another = bytes.Repeat([]byte{7}, 32)

func TestALearnerRefusesARunThatExpectsAnotherBuild(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	mine := n.expects
	n.settle(t, 0, 0, base.Digest, base.Model, 4, edited{})
	n.expects = another
	config := testConfig(t)
	core, err := OpenCore(Home(t.TempDir()), testChain, 1, base)
	require.NoError(t, err)
	defer core.Close()
	err = NewDaemon(config, n, core, nil, slog.New(slog.DiscardHandler)).Run(t.Context())
	require.ErrorIs(t, err, ErrConformance)
	require.ErrorContains(t, err, "install the run's version")
	require.Empty(t, n.accused)
	require.Equal(t, mine, n.windows[0].Conformance)
}

// The run moves to another release and its learner does not: it stops, and accuses nobody of the bits that it lacks.
func TestALearnerStopsWhenItsRunMovesToAnotherBuild(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	core, err := OpenCore(Home(t.TempDir()), testChain, 1, base)
	require.NoError(t, err)
	defer core.Close()
	done := make(chan error, 1)
	d := NewDaemon(config, n, core, nil, slog.New(slog.DiscardHandler))
	go func() { done <- d.Run(t.Context()) }()
	n.settle(t, 0, 0, base.Digest, base.Model, 4, generate.Honest{})
	published := func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 }
	eventually(t, "version 1 is published", published)
	n.mu.Lock()
	n.expects = another
	n.mu.Unlock()
	n.settle(t, 1, 0, base.Digest, base.Model, 4, edited{})
	select {
	case err = <-done:
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	require.ErrorIs(t, err, ErrConformance)
	require.Empty(t, n.accused)
	require.Len(t, n.checkpoints, 2)
}

// Windows of the time before an upgrade wait for no build that could judge them.
func TestAWindowOfAnotherBuildIsPassedOverAndNobodyAccused(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	n := newNetwork(t, base)
	config := testConfig(t)
	config.Evaluation.Problems = 0
	n.settle(t, 0, 0, base.Digest, base.Model, 4, edited{})
	w := n.windows[0]
	w.Conformance = another
	n.windows[0] = w
	d, stop := startDaemon(t, config, Home(t.TempDir()), n)
	eventually(t, "window 0 is passed", func() bool {
		last, any, err := d.core.journal.LastWindow()
		return err == nil && any && last == 0
	})
	n.settle(t, 1, 0, base.Digest, base.Model, 4, generate.Honest{})
	eventually(t, "version 1 is published", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return len(n.checkpoints) == 2 })
	require.Equal(t, []uint64{1}, n.checkpoints[1].TrainedWindows)
	require.Empty(t, n.accused)
	require.NoError(t, stop())
}

// A run of the swarm moves to a release whose engine gives other bits, as it may: its miners are honest by that.
func TestNobodyOfARunOfAnotherBuildIsAccusedAndNothingIsDrawnFromIt(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	all := twoLearners(t, base)
	for _, m := range all {
		eventually(t, "it serves its base", func() bool {
			_, _, err := checkpoint.Fetch(t.Context(), m.net.checkpoints[0].Locator, base.Digest, t.TempDir(), checkpoint.FetchOptions{})
			return err == nil
		})
	}
	require.NoError(t, all[0].stop())
	moved := newNetwork(t, base) // run 2, whose base is served on
	moved.run, moved.expects, moved.recipe, moved.checkpoints = 2, another, all[1].net.recipe, all[1].net.checkpoints
	moved.settle(t, 0, 0, base.Digest, base.Model, 8, altered{}, altered{})
	all[0].chain.other = moved
	all[0].start(t)
	all[0].net.settle(t, 0, 0, base.Digest, base.Model, 8, generate.Honest{})
	eventually(t, "run 1 goes on", all[0].published(1))
	time.Sleep(100 * time.Millisecond)
	all[0].net.mu.Lock()
	require.Empty(t, all[0].net.accused)
	all[0].net.mu.Unlock()
	require.Zero(t, all[0].drawn(t, 1))
}

// altered is a miner whose engine gives other bits in every group.
type altered struct{}

func (altered) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	rollouts, err := generate.Honest{}.Rollouts(ctx, in)
	for i := range rollouts {
		rollouts[i].LogProbs[3] ^= 1 // the last bit of the first log-probability
	}
	return rollouts, err
}
