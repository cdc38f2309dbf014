package grpo

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
)

func TestTheWeightFollowsTheDivergence(t *testing.T) {
	for name, c := range map[string]struct {
		weight          float32
		kl              float64
		n               int
		target, horizon float32
		want            float32
	}{
		"on target":                     {0.1, 0.5, 100, 0.5, 1000, 0.1},
		"a tenth above":                 {0.5, 0.55, 100, 0.5, 1000, 0.505},
		"far above, cut at a fifth":     {0.5, 50, 100, 0.5, 1000, 0.51},
		"no divergence":                 {0.5, 0, 100, 0.5, 1000, 0.49},
		"estimate below zero":           {0.5, -3, 100, 0.5, 1000, 0.49},
		"more rollouts than horizon":    {0.5, 50, 5000, 0.5, 1000, 0.6},
		"never so small that it sticks": {1e-9, 0, 1000, 0.5, 1, 1e-9},
		"never without bound":           {0.9, 50, 1000, 0.5, 1, 1},
		"infinite divergence":           {0.5, math.Inf(1), 100, 0.5, 1000, 0.51},
	} {
		require.InDelta(t, c.want, NextKLWeight(c.weight, c.kl, c.n, c.target, c.horizon), 1e-7*float64(max(c.weight, 0.01)), name)
	}
	// The bits, which every machine must have.
	require.Equal(t, uint32(0x3dcec850), math.Float32bits(NextKLWeight(0.1, 0.0311, 264, 0.03, 1e3)))
}

func adaptive() Hyperparameters {
	h := Default()
	h.KL, h.KLWeight, h.KLTarget, h.KLHorizon = K3, 0.5, 0.01, 32
	return h
}

// The weight goes with the state: who restarts between any two steps ends with the same bits.
func TestAnAdaptiveWeightSurvivesARestart(t *testing.T) {
	m := tiny(t, 1)
	whole := engine.NewTrainer(m, engine.Options{Threads: 2})
	restarted := engine.NewTrainer(m, engine.Options{Threads: 1})
	weight := float32(0.5)
	for version := uint64(1); version <= 4; version++ {
		groups := sampled(t, m, 4, 4)
		want, err := Step(context.Background(), whole, groups, version, adaptive())
		require.NoError(t, err)
		require.Equal(t, weight, want.KLWeight)
		weight = NextKLWeight(weight, want.KL, 16, 0.01, 32)
		next, ok := whole.Coefficient()
		require.True(t, ok)
		require.Equal(t, weight, next)

		var state bytes.Buffer
		require.NoError(t, restarted.SaveState(&state))
		restarted, err = engine.LoadTrainer(state.Bytes(), engine.Options{Threads: 1})
		require.NoError(t, err)
		got, err := Step(context.Background(), restarted, groups, version, adaptive())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, stateOf(t, whole), stateOf(t, restarted))
	}
	require.NotEqual(t, float32(0.5), weight)
}

// Another weight in the state makes another step; a step with a fixed weight has none in its state.
func TestTheWeightInTheStateCounts(t *testing.T) {
	m := tiny(t, 1)
	states := map[[32]byte]string{}
	for name, prepare := range map[string]func(*engine.Trainer, *Hyperparameters){
		"first":           func(*engine.Trainer, *Hyperparameters) {},
		"kept":            func(tr *engine.Trainer, _ *Hyperparameters) { tr.SetCoefficient(0.25) },
		"kept, one ulp":   func(tr *engine.Trainer, _ *Hyperparameters) { tr.SetCoefficient(math.Nextafter32(0.25, 1)) },
		"fixed":           func(_ *engine.Trainer, h *Hyperparameters) { h.KLTarget, h.KLHorizon = 0, 0 },
		"without any sum": func(_ *engine.Trainer, h *Hyperparameters) { h.KL, h.KLWeight, h.KLTarget, h.KLHorizon = NoKL, 0, 0, 0 },
	} {
		trainer, h := engine.NewTrainer(m, engine.Options{Threads: 1}), adaptive()
		// So that the weights have moved away from those that sampled, and there is a divergence.
		_, err := Step(context.Background(), trainer, sampled(t, m, 4, 4), 9, Default())
		require.NoError(t, err)
		prepare(trainer, &h)
		_, err = Step(context.Background(), trainer, sampled(t, m, 4, 4), 9, h)
		require.NoError(t, err)
		state := stateOf(t, trainer)
		require.Empty(t, states[state], "%s makes the same", name)
		states[state] = name
	}
	trainer, h := engine.NewTrainer(m, engine.Options{Threads: 1}), Default()
	trainer.SetCoefficient(0.25)
	_, err := Step(context.Background(), trainer, sampled(t, m, 4, 4), 1, h)
	require.NoError(t, err)
	_, ok := trainer.Coefficient()
	require.False(t, ok)
}

// What makes no step leaves the weight alone.
func TestNoStepNoOtherWeight(t *testing.T) {
	m := tiny(t, 1)
	trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
	trainer.SetCoefficient(0.25)
	before := stateOf(t, trainer)
	groups := sampled(t, m, 2, 4)
	for g := range groups {
		for i := range groups[g] {
			groups[g][i].Reward = 0
		}
	}
	metrics, err := Step(context.Background(), trainer, groups, 1, adaptive())
	require.NoError(t, err)
	require.False(t, metrics.Updated)
	require.Equal(t, before, stateOf(t, trainer))
}

func TestASteeredWeightNeedsItsNumbers(t *testing.T) {
	require.NoError(t, adaptive().Validate())
	for name, change := range map[string]func(*Hyperparameters){
		"no estimator":    func(h *Hyperparameters) { h.KL = NoKL },
		"no weight":       func(h *Hyperparameters) { h.KLWeight = 0 },
		"no horizon":      func(h *Hyperparameters) { h.KLHorizon = 0 },
		"negative target": func(h *Hyperparameters) { h.KLTarget = -1 },
		"NaN":             func(h *Hyperparameters) { h.KLTarget = float32(math.NaN()) },
	} {
		h := adaptive()
		change(&h)
		require.ErrorIs(t, h.Validate(), ErrBadHyperparameters, name)
	}
}
