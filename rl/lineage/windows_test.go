package lineage_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/lineage"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	"github.com/galahad-network/galahad/testutil/tiny"
)

func TestAStepOnSeveralWindowsIsReplayedToTheBit(t *testing.T) {
	h := newHistory(t)
	along := h.replayer()
	for v := range uint64(3) {
		leaves := join(rollouts(t, 3*v), rollouts(t, 3*v+2))
		c := h.publish(h.step(leaves, recipe), leaves)
		require.Equal(t, []uint64{3 * v, 3*v + 2}, c.TrainedWindows)
		require.Equal(t, 12, h.metrics.Groups, "two windows' groups of one number are two groups")
		require.True(t, h.replay(along).Match, "who follows from the base on")
		require.True(t, h.replay(h.replayer()).Match, "who comes later and downloads the parent's state")
	}
}

// Windows of one step may have been sampled by several versions: in a tolerant run each window's log-probabilities are
// recomputed under its own.
func TestEachWindowIsRecomputedUnderWhatSampledIt(t *testing.T) {
	h := newHistory(t)
	h.window.Challenge.Generation, h.window.Challenge.Tolerance = tiny.Challenge(t, 1).Generation, &verify.Tolerance{}
	base := tiny.Engine(t, "base")
	recomputed := func(eng *engine.Engine, leaves [][]byte) [][]float32 {
		decoded, err := batch.Batch{Leaves: leaves}.Rollouts()
		require.NoError(t, err)
		out, err := replay.LogProbs(t.Context(), eng, h.window.Challenge.Generation, decoded)
		require.NoError(t, err)
		return out
	}
	fast := recipe
	fast.LearningRate, fast.WarmupSteps = 0.01, 0
	first := rollouts(t, 0)
	one := h.publish(h.stepOn(first, recomputed(base, first), fast), first)
	loaded, err := checkpoint.Load(checkpoint.Dir(h.dir, one.Digest), one.Digest)
	require.NoError(t, err)
	sampler := engine.New(loaded.Model, engine.Options{Threads: 1})
	h.sampled = map[uint64]uint64{2: 1}
	old, fresh := rollouts(t, 1), sampledBy(t, sampler, 2)
	leaves := join(old, fresh)
	for name, c := range map[string]struct {
		under func() [][]float32
		match bool
	}{
		"each under its own": {func() [][]float32 { return append(recomputed(base, old), recomputed(sampler, fresh)...) }, true},
		"all under the new":  {func() [][]float32 { return recomputed(sampler, leaves) }, false},
		"all under the base": {func() [][]float32 { return recomputed(base, leaves) }, false},
	} {
		fork := *h
		state, err := h.replayer().Files.State(t.Context(), chainID, h.versions[0], one)
		require.NoError(t, err)
		fork.trainer, err = engine.LoadTrainer(state, engine.Options{Threads: 1})
		require.NoError(t, err)
		fork.publish(fork.stepOn(leaves, c.under(), recipe), leaves)
		require.Equal(t, c.match, fork.replay(fork.replayer()).Match, name)
	}
}

// A set is that of its windows in their order: nothing of another window, nothing missing.
func TestARolloutSetIsThatOfItsWindowsInOrder(t *testing.T) {
	a, b := rollouts(t, 4), rollouts(t, 9)
	ws := make(lineage.Windows, 2)
	ws[0].Challenge.Run, ws[0].Challenge.Window, ws[1].Challenge.Run, ws[1].Challenge.Window = 1, 4, 1, 9
	parts, err := ws.Split(join(a, b))
	require.NoError(t, err)
	require.Equal(t, [][][]byte{a, b}, parts)
	for name, lie := range map[string][][]byte{
		"windows in another order": join(b, a),
		"one window mixed in":      join(a[:1], b, a[1:]),
		"a window with nothing":    a,
		"nothing at all":           nil,
		"a window not named":       join(a, b, rollouts(t, 10)),
		"rubbish":                  {[]byte("rubbish")},
	} {
		_, err := ws.Split(lie)
		require.ErrorIs(t, err, lineage.ErrRollouts, name)
	}
	h := newHistory(t)
	c := h.publish(h.step(join(b, a), recipe), join(b, a))
	c.TrainedWindows = []uint64{4, 9}
	h.versions[1] = c
	report := h.replay(h.replayer())
	require.False(t, report.Match)
	require.Contains(t, report.Detail, "rollout")
}

// steered has an adaptive weight of the divergence.
func steered() lineage.Recipe {
	r := recipe
	r.LearningRate, r.WarmupSteps = 0.01, 0
	r.KL, r.KLWeight, r.KLTarget, r.KLHorizon = grpo.K3, 0.25, 1e-3, 48
	return r
}

// The weight is in the state, so who begins at any version goes on with the same one.
func TestAnAdaptiveWeightIsReplayedByWhoeverComesLater(t *testing.T) {
	h := newHistory(t)
	h.window.Recipe = steered()
	var weights []float32
	for v := range uint64(4) {
		leaves := rollouts(t, v)
		h.publish(h.step(leaves, steered()), leaves)
		report := h.replay(h.replayer())
		require.True(t, report.Match, report.Detail)
		require.Equal(t, h.metrics.KLWeight, report.Metrics.KLWeight)
		weights = append(weights, report.Metrics.KLWeight)
	}
	require.Equal(t, float32(0.25), weights[0])
	require.NotEqual(t, weights[0], weights[1])
	require.NotEqual(t, weights[1], weights[2])
	require.NotEqual(t, weights[2], weights[3])
}

// A learner that leaves another weight in the state, or that takes another than the state's, is found out.
func TestAWrongKLWeightDoesNotMatch(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(*engine.Trainer)
		says string
	}{
		"one ulp more in the state": {func(tr *engine.Trainer) {
			w, _ := tr.Coefficient()
			tr.SetCoefficient(math.Nextafter32(w, 1))
		}, "the state hash does not"},
		"none in the state": {(*engine.Trainer).DropCoefficient, "the state hash does not"},
	} {
		h := newHistory(t)
		h.window.Recipe, h.lie = steered(), c.lie
		leaves := rollouts(t, 0)
		h.publish(h.step(leaves, steered()), leaves)
		report := h.replay(h.replayer())
		require.False(t, report.Match, name)
		require.Contains(t, report.Detail, c.says, name)
	}
	h := newHistory(t)
	h.window.Recipe = steered()
	for v := range uint64(2) {
		if v == 1 {
			h.trainer.SetCoefficient(0.25) // as if the first step had not moved it
		}
		leaves := rollouts(t, v)
		h.publish(h.step(leaves, steered()), leaves)
	}
	report := h.replay(h.replayer())
	require.False(t, report.Match)
	require.Contains(t, report.Detail, "tensor ")
}
