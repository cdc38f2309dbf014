package grpo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
)

// tiny is a model that trains in milliseconds.
func tiny(t testing.TB, seed byte) *engine.Model {
	t.Helper()
	m, err := engine.InitModel(engine.Config{
		Architecture: engine.Qwen2, VocabSize: 11, HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 2,
		NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 8, MaxPositionEmbeddings: 32, RMSNormEps: 1e-6, RopeTheta: 10_000,
		TieWordEmbeddings: true,
	}, [32]byte{seed})
	require.NoError(t, err)
	return m
}

// sampled returns groups that the model itself sampled, with random rewards.
func sampled(t testing.TB, m *engine.Model, groups, size int) []Group {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(groups), uint64(size)))
	out := make([]Group, groups)
	eng := engine.New(m, engine.Options{Threads: 1})
	for g := range out {
		requests := make([]engine.Request, size)
		for i := range requests {
			requests[i] = engine.Request{
				Prompt: []int32{1, int32(3 + g%7), 4}, Seed: [32]byte{byte(g), byte(i)},
				Sampling: engine.Sampling{TemperatureBits: math.Float32bits(1), TopPMillionths: 1_000_000, MaxNew: 9, EndTokens: []int32{2}},
			}
		}
		completions, err := eng.Generate(context.Background(), requests)
		require.NoError(t, err)
		for i, c := range completions {
			out[g] = append(out[g], Rollout{
				Prompt: requests[i].Prompt, Completion: c.Tokens, LogProbs: c.LogProbs, Temperature: 1, Reward: uint32(rng.IntN(2)) * 1_000_000,
			})
		}
		out[g][0].Reward, out[g][1].Reward = 0, 1_000_000
	}
	return out
}

func stateOf(t testing.TB, trainer *engine.Trainer) [32]byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, trainer.SaveState(&b))
	return sha256.Sum256(b.Bytes())
}

func TestStepGivesTheSameBitsForEveryNumberOfThreads(t *testing.T) {
	m := tiny(t, 1)
	groups := sampled(t, m, 5, 4)
	var want [32]byte
	var wantMetrics Metrics
	for i, threads := range []int{1, 2, 7} {
		trainer := engine.NewTrainer(m, engine.Options{Threads: threads})
		var metrics Metrics
		for version := uint64(1); version <= 4; version++ { // from the second step on the ratio is not 1
			var err error
			metrics, err = Step(context.Background(), trainer, groups, version, Default())
			require.NoError(t, err)
			require.True(t, metrics.Updated)
		}
		if i == 0 {
			want, wantMetrics = stateOf(t, trainer), metrics
			continue
		}
		require.Equal(t, want, stateOf(t, trainer), "%d threads", threads)
		require.Equal(t, wantMetrics, metrics, "%d threads", threads)
	}
}

// The order of groups is part of the step: another order may round otherwise, and the journal must therefore keep it.
func TestStepIsPureInItsInputs(t *testing.T) {
	m := tiny(t, 2)
	groups := sampled(t, m, 4, 4)
	run := func(h Hyperparameters, gs []Group) [32]byte {
		trainer := engine.NewTrainer(m, engine.Options{Threads: 2})
		_, err := Step(context.Background(), trainer, gs, 9, h)
		require.NoError(t, err)
		return stateOf(t, trainer)
	}
	first := run(Default(), groups)
	require.Equal(t, first, run(Default(), groups))
	slower := Default()
	slower.LearningRate /= 2
	require.NotEqual(t, first, run(slower, groups))
	flipped := append([]Group{}, groups...)
	flipped[0] = append(Group{}, groups[0]...)
	flipped[0][0].Reward, flipped[0][1].Reward = flipped[0][1].Reward, flipped[0][0].Reward
	require.NotEqual(t, first, run(Default(), flipped))
}

// A step must make rewarded completions likelier and the others less likely.
func TestStepMovesProbabilityTowardsReward(t *testing.T) {
	m := tiny(t, 3)
	groups := sampled(t, m, 6, 6)
	h := Default()
	h.WarmupSteps = 0
	trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
	before := objective(t, m, groups)
	for version := uint64(1); version <= 5; version++ {
		_, err := Step(context.Background(), trainer, groups, version, h)
		require.NoError(t, err)
	}
	require.Greater(t, objective(t, trainer.Model(), groups), before+1e-3)
}

// objective is the mean over tokens of advantage times log-probability.
func objective(t *testing.T, m *engine.Model, groups []Group) float64 {
	t.Helper()
	_, kept, err := Default().choose(groups)
	require.NoError(t, err)
	total := 0.0
	for i, r := range kept.rollouts {
		for _, lp := range logProbs(t, m, r) {
			total += float64(kept.advantages[i]) * float64(lp)
		}
	}
	return total
}

func logProbs(t *testing.T, m *engine.Model, r Rollout) []float32 {
	t.Helper()
	var out []float32
	trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
	sequence := engine.TrainSequence{Tokens: append(append([]int32{}, r.Prompt...), r.Completion...), Prompt: len(r.Prompt), Temperature: 1}
	require.NoError(t, trainer.Accumulate(context.Background(), []engine.TrainSequence{sequence}, func(_ int, logp []float32) []float32 {
		out = append(out, logp...)
		return make([]float32, len(logp))
	}))
	return out
}

// Loss, clip fraction and gradient norm of a step against the definition in binary64 with the platform's exp.
func TestStepLossAgreesWithFloat64Reference(t *testing.T) {
	m := tiny(t, 4)
	groups := sampled(t, m, 4, 4)
	// Behaviour from another checkpoint, so that ratios are spread around 1 and some are clipped.
	other := engine.NewTrainer(m, engine.Options{Threads: 1})
	h := Default()
	h.LearningRate, h.RatioLow, h.RatioHigh = 3e-3, 0.5, 2
	for version := uint64(5); version < 25; version++ {
		_, err := Step(context.Background(), other, groups, version, h)
		require.NoError(t, err)
	}
	now := other.Model()
	metrics, err := Step(context.Background(), engine.NewTrainer(now, engine.Options{Threads: 1}), groups, 25, Default())
	require.NoError(t, err)

	_, kept, err := Default().choose(groups)
	require.NoError(t, err)
	want, cut, tokens, at := 0.0, 0, 0, 0
	var sequences []engine.TrainSequence
	var slopes [][]float32
	for _, group := range groups {
		rewards := make([]uint32, len(group))
		for i := range group {
			rewards[i] = group[i].Reward
		}
		adv := referenceAdvantages(rewards, 1e-4)
		for i, r := range group {
			tokensOf := append(append([]int32{}, r.Prompt...), r.Completion...)
			sequences = append(sequences, engine.TrainSequence{Tokens: tokensOf, Prompt: len(r.Prompt), Temperature: 1})
			slopes = append(slopes, make([]float32, len(r.Completion)))
			for k, lp := range logProbs(t, now, kept.rollouts[at]) {
				rho := math.Exp(float64(lp) - float64(r.LogProbs[k]))
				want += referenceLoss(float64(lp), float64(r.LogProbs[k]), adv[i], 0.8, 1.2)
				if adv[i] > 0 && rho > 1.2 || adv[i] < 0 && rho < 0.8 {
					cut++
				} else {
					slopes[at][k] = float32(-rho * adv[i] / float64(metrics.Tokens))
				}
				tokens++
			}
			at++
		}
	}
	require.InDelta(t, want/float64(tokens), metrics.Loss, 1e-5)
	require.Greater(t, cut, 0)
	require.Equal(t, float64(cut)/float64(tokens), metrics.ClipFraction)
	require.Equal(t, tokens, metrics.Tokens)

	reference := engine.NewTrainer(now, engine.Options{Threads: 1})
	require.NoError(t, reference.Accumulate(context.Background(), sequences, func(i int, _ []float32) []float32 { return slopes[i] }))
	norm, err := reference.Step(Default().optimizer(25))
	require.NoError(t, err)
	require.InEpsilon(t, float64(norm), float64(metrics.GradNorm), 1e-4)
}

func TestStepDropsAndCounts(t *testing.T) {
	m := tiny(t, 5)
	groups := sampled(t, m, 5, 4)
	set := func(g int, rewards ...uint32) {
		for i := range groups[g] {
			groups[g][i].Reward = rewards[i]
		}
	}
	set(0, 0, 0, 0, 0)
	set(1, 1_000_000, 1_000_000, 1_000_000, 1_000_000)
	set(2, 0, 1_000_000, 0, 0)
	set(3, 0, 1_000_000, 0, 0)
	set(4, 1_000_000, 1_000_000, 0, 0)
	groups[3][2].LogProbs[0] = float32(math.NaN())

	trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
	metrics, err := Step(context.Background(), trainer, groups, 1, Default())
	require.NoError(t, err)
	require.Equal(t, 5, metrics.Groups)
	require.Equal(t, 2, metrics.KeptGroups)
	require.Equal(t, 2, metrics.ZeroVariance)
	require.Equal(t, 1, metrics.AllCorrect)
	require.Equal(t, 1, metrics.NonFinite)
	require.Equal(t, 20, metrics.Rollouts)
	require.InDelta(t, 8.0/20, metrics.RewardMean, 1e-12)
	require.InDelta(t, 0.4, metrics.ZeroVarianceRate, 1e-12)
	require.Positive(t, metrics.GradNorm)

	// What was dropped had no influence.
	again := engine.NewTrainer(m, engine.Options{Threads: 1})
	_, err = Step(context.Background(), again, []Group{groups[2], groups[4]}, 1, Default())
	require.NoError(t, err)
	require.Equal(t, stateOf(t, trainer), stateOf(t, again))
}

// Each option changes the step, keeps it a pure function, and moves probability towards reward.
func TestEveryRuleLearnsAndRepeatsToTheBit(t *testing.T) {
	m := tiny(t, 3)
	groups := sampled(t, m, 6, 6)
	for g := range groups {
		groups[g][0].Truncated = g%2 == 0
		for i := range groups[g] { // as if from another checkpoint: some ratios are far from 1
			groups[g][i].LogProbs[0] += float32(0.8 * float64(i%5-2))
		}
	}
	seen := map[string]string{}
	for name, edit := range map[string]func(*Hyperparameters){
		"default":         func(*Hyperparameters) {},
		"sample_std":      func(h *Hyperparameters) { h.Advantage = SampleStd },
		"group_mean":      func(h *Hyperparameters) { h.Advantage = GroupMean },
		"leave_one_out":   func(h *Hyperparameters) { h.Advantage = LeaveOneOut },
		"rank":            func(h *Hyperparameters) { h.Advantage = Rank },
		"max_rl":          func(h *Hyperparameters) { h.Advantage = MaxRL },
		"clip-higher":     func(h *Hyperparameters) { h.RatioHigh = 1.28 },
		"two_sided":       func(h *Hyperparameters) { h.Loss, h.Delta = TwoSided, 4 },
		"clamp":           func(h *Hyperparameters) { h.Loss = Clamp },
		"masked":          func(h *Hyperparameters) { h.Loss, h.RatioLow, h.RatioHigh = Masked, 0.125, 8 },
		"divergence":      func(h *Hyperparameters) { h.Loss, h.Delta, h.KL, h.KLWeight = Divergence, 0.2, K2, 0.002 },
		"divergence_both": func(h *Hyperparameters) { h.Loss, h.Delta, h.KL, h.KLWeight = DivergenceBoth, 0.1, K2, 0.002 },
		"sequence":        func(h *Hyperparameters) { h.Loss, h.Normalization = Sequence, BySequences },
		"by_sequences":    func(h *Hyperparameters) { h.Normalization = BySequences },
		"by_constant":     func(h *Hyperparameters) { h.Normalization, h.ConstantLength = ByConstant, 8 },
		"k3":              func(h *Hyperparameters) { h.KL, h.KLWeight = K3, 0.05 },
		"entropy":         func(h *Hyperparameters) { h.EntropyWeight = 0.01 },
		"length":          func(h *Hyperparameters) { h.LengthWeight = 0.25 },
		"truncated":       func(h *Hyperparameters) { h.DropTruncated = true },
	} {
		h := Default()
		h.WarmupSteps, h.LearningRate = 0, 1e-3
		edit(&h)
		run := func() (string, float64) {
			trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
			for version := uint64(1); version <= 4; version++ {
				metrics, err := Step(context.Background(), trainer, groups, version, h)
				require.NoError(t, err, name)
				require.True(t, metrics.Updated, name)
				if h.DropTruncated {
					require.Equal(t, 3, metrics.Truncated)
				}
			}
			s := stateOf(t, trainer)
			return string(s[:]), objective(t, trainer.Model(), groups)
		}
		state, after := run()
		again, _ := run()
		require.Equal(t, state, again, name)
		require.Greater(t, after, objective(t, m, groups), name)
		if other, ok := seen[state]; ok {
			t.Fatalf("%s makes the same step as %s", name, other)
		}
		seen[state] = name
	}
}

func TestGroupsOutsideTheBandOfDifficultyAreDropped(t *testing.T) {
	m := tiny(t, 5)
	groups := sampled(t, m, 3, 4)
	for g, right := range []int{1, 2, 3} {
		for i := range groups[g] {
			groups[g][i].Reward = 0
			if i < right {
				groups[g][i].Reward = 1_000_000
			}
		}
	}
	h := Default()
	h.DifficultyLow, h.DifficultyHigh = 250_001, 700_000
	metrics, err := Step(context.Background(), engine.NewTrainer(m, engine.Options{Threads: 1}), groups, 1, h)
	require.NoError(t, err)
	require.Equal(t, 2, metrics.Difficulty)
	require.Equal(t, 1, metrics.KeptGroups)
	h.DifficultyLow, h.DifficultyHigh = 250_000, 750_000 // bounds included
	metrics, err = Step(context.Background(), engine.NewTrainer(m, engine.Options{Threads: 1}), groups, 1, h)
	require.NoError(t, err)
	require.Equal(t, 3, metrics.KeptGroups)
}

func TestOnPolicyRatiosAreOneAndEntropyIsSurprise(t *testing.T) {
	m := tiny(t, 3)
	groups := sampled(t, m, 6, 6)
	metrics, err := Step(context.Background(), engine.NewTrainer(m, engine.Options{Threads: 1}), groups, 1, Default())
	require.NoError(t, err)
	require.InDelta(t, 1, metrics.Ratio, 1e-6)
	require.InDelta(t, 0, metrics.KL, 1e-6)
	_, kept, err := Default().choose(groups)
	require.NoError(t, err)
	sum, n := 0.0, 0
	for _, r := range kept.rollouts {
		for _, lp := range r.LogProbs {
			sum, n = sum-float64(lp), n+1
		}
	}
	require.InDelta(t, sum/float64(n), metrics.Entropy, 1e-5)
}

func TestStepWithoutSignalLeavesTheTrainerAlone(t *testing.T) {
	m := tiny(t, 6)
	groups := sampled(t, m, 2, 4)
	for g := range groups {
		for i := range groups[g] {
			groups[g][i].Reward = 1_000_000
		}
	}
	trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
	before := stateOf(t, trainer)
	for _, set := range [][]Group{groups, nil} {
		metrics, err := Step(context.Background(), trainer, set, 1, Default())
		require.NoError(t, err)
		require.False(t, metrics.Updated)
	}
	require.Equal(t, before, stateOf(t, trainer))
}

func TestStepRefusesBadInputAndKeepsTheState(t *testing.T) {
	m := tiny(t, 7)
	good := sampled(t, m, 2, 4)
	spoil := func(edit func(*Rollout)) []Group {
		groups := []Group{append(Group{}, good[0]...), append(Group{}, good[1]...)}
		edit(&groups[1][2])
		return groups
	}
	tests := []struct {
		name   string
		groups []Group
		want   error
		text   string
	}{
		{"no prompt", spoil(func(r *Rollout) { r.Prompt = nil }), ErrBadGroup, "bad group 1: rollout 2 has no prompt"},
		{"no completion", spoil(func(r *Rollout) { r.Completion, r.LogProbs = nil, nil }), ErrBadGroup, "rollout 2 has no completion"},
		{"log-probabilities missing", spoil(func(r *Rollout) { r.LogProbs = r.LogProbs[1:] }), ErrBadGroup, "log-probabilities for"},
		{"empty group", []Group{good[0], {}}, ErrBadGroup, "bad group 1: no rollout"},
		{"token outside the vocabulary", spoil(func(r *Rollout) { r.Prompt = []int32{1, 99} }), ErrDiverged, "sequence 6"},
	}
	trainer := engine.NewTrainer(m, engine.Options{Threads: 2})
	before := stateOf(t, trainer)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Step(context.Background(), trainer, tt.groups, 1, Default())
			require.ErrorIs(t, err, tt.want)
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, before, stateOf(t, trainer))
		})
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Step(cancelled, trainer, good, 1, Default())
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, errors.Is(err, ErrDiverged))
	require.Equal(t, before, stateOf(t, trainer))

	// The trainer is as good as new after all of that.
	fresh := engine.NewTrainer(m, engine.Options{Threads: 2})
	for _, tr := range []*engine.Trainer{trainer, fresh} {
		_, err := Step(context.Background(), tr, good, 1, Default())
		require.NoError(t, err)
	}
	require.Equal(t, stateOf(t, fresh), stateOf(t, trainer))
}

func TestHyperparametersValidate(t *testing.T) {
	require.NoError(t, Default().Validate())
	nan := float32(math.NaN())
	tests := []struct {
		name string
		edit func(*Hyperparameters)
	}{
		{"learning rate", func(h *Hyperparameters) { h.LearningRate = 0 }},
		{"learning rate", func(h *Hyperparameters) { h.LearningRate = nan }},
		{"beta1", func(h *Hyperparameters) { h.Beta1 = 1 }},
		{"beta2", func(h *Hyperparameters) { h.Beta2 = -0.1 }},
		{"epsilon", func(h *Hyperparameters) { h.Epsilon = 0 }},
		{"weight decay", func(h *Hyperparameters) { h.WeightDecay = nan }},
		{"gradient clip", func(h *Hyperparameters) { h.GradClip = float32(math.Inf(1)) }},
		{"lower ratio", func(h *Hyperparameters) { h.RatioLow = 1.1 }},
		{"upper ratio", func(h *Hyperparameters) { h.RatioHigh = 0.9 }},
		{"advantage epsilon", func(h *Hyperparameters) { h.AdvantageEps = nan }},
		{"estimator", func(h *Hyperparameters) { h.Advantage = 0 }},
		{"objective", func(h *Hyperparameters) { h.Loss = 8 }},
		{"divisor", func(h *Hyperparameters) { h.Normalization = 0 }},
		{"KL must", func(h *Hyperparameters) { h.KL = 5 }},
		{"two_sided", func(h *Hyperparameters) { h.Loss = TwoSided }},
		{"divergence", func(h *Hyperparameters) { h.Loss, h.Delta = Divergence, 2 }},
		{"constant length", func(h *Hyperparameters) { h.Normalization = ByConstant }},
		{"KL weight", func(h *Hyperparameters) { h.KLWeight = nan }},
		{"entropy", func(h *Hyperparameters) { h.EntropyWeight = -1 }},
		{"length weight", func(h *Hyperparameters) { h.LengthWeight = 2 }},
		{"difficulty", func(h *Hyperparameters) { h.DifficultyLow, h.DifficultyHigh = 2, 1 }},
	}
	for _, tt := range tests {
		h := Default()
		tt.edit(&h)
		require.ErrorIs(t, h.Validate(), ErrBadHyperparameters)
		require.ErrorContains(t, h.Validate(), tt.name)
	}
}

func TestWarmup(t *testing.T) {
	h := Default()
	require.InDelta(t, 0.6e-4, float64(h.optimizer(1).LR), 1e-9)
	require.InDelta(t, 2.4e-4, float64(h.optimizer(4).LR), 1e-9)
	require.Equal(t, float32(3e-4), h.optimizer(5).LR)
	require.Equal(t, float32(3e-4), h.optimizer(5000).LR)
	h.WarmupSteps = 0
	require.Equal(t, float32(3e-4), h.optimizer(1).LR)
}
