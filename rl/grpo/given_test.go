package grpo

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
)

// withReplies marks of each rollout some tokens as given: at most all but one.
func withReplies(groups []Group) []Group {
	out := make([]Group, len(groups))
	for g, group := range groups {
		out[g] = slices.Clone(group)
		for i := range out[g] {
			r := &out[g][i]
			r.Given, r.LogProbs = make([]bool, len(r.Completion)), slices.Clone(r.LogProbs)
			for t := 1; t < len(r.Given); t++ {
				if (t+i)%3 == 0 {
					r.Given[t], r.LogProbs[t] = true, 0
				}
			}
		}
	}
	return out
}

// What is said of the tokens that the environment wrote changes no bit and no metric.
func TestNothingIsLearnedFromWhatTheEnvironmentWrote(t *testing.T) {
	m := tiny(t, 1)
	for l := Clip; l <= Sequence; l++ {
		for n := ByTokens; n <= ByConstant; n++ {
			h := Default()
			h.Loss, h.Normalization, h.ConstantLength, h.Delta = l, n, 7, 1
			h.KL, h.KLWeight, h.EntropyWeight, h.LengthWeight = K3, 0.1, 0.01, 0.5
			run := func(lie float32) (Metrics, [32]byte) {
				groups := withReplies(sampled(t, m, 4, 4))
				for _, group := range groups {
					for _, r := range group {
						for at, given := range r.Given {
							if given {
								r.LogProbs[at] = lie
							}
						}
					}
				}
				trainer := engine.NewTrainer(m, engine.Options{Threads: 2})
				var metrics Metrics
				for version := uint64(1); version <= 2; version++ {
					var err error
					metrics, err = Step(context.Background(), trainer, groups, version, h)
					require.NoError(t, err)
					require.True(t, metrics.Updated)
				}
				return metrics, stateOf(t, trainer)
			}
			metrics, state := run(0)
			others, other := run(-7)
			require.Equal(t, state, other, "%s %s", l, n)
			require.Equal(t, metrics, others, "%s %s", l, n)
		}
	}
}

// The gradient of a completion with replies, made here of the objective's definition and nothing else.
func TestTheGradientIsOfTheSampledTokensAlone(t *testing.T) {
	m := tiny(t, 2)
	groups := withReplies(sampled(t, m, 3, 4))
	for _, n := range []Normalization{ByTokens, BySequences} {
		for _, l := range []Loss{Clip, Sequence} {
			h := Default()
			h.Loss, h.Normalization = l, n
			trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
			metrics, err := Step(context.Background(), trainer, groups, 1, h)
			require.NoError(t, err)

			var sequences []engine.TrainSequence
			var rollouts []Rollout
			var advantages []float32
			tokens := 0
			for _, group := range groups {
				var rewards []uint32
				for _, r := range group {
					rewards = append(rewards, r.Reward)
				}
				advantages = append(advantages, h.Advantage.Advantages(rewards, h.AdvantageEps)...)
				for _, r := range group {
					rollouts = append(rollouts, r)
					sequences = append(sequences, engine.TrainSequence{Tokens: slices.Concat(r.Prompt, r.Completion), Prompt: len(r.Prompt), Temperature: 1})
					for _, given := range r.Given {
						if !given {
							tokens++
						}
					}
				}
			}
			require.Equal(t, tokens, metrics.Tokens)
			reference := engine.NewTrainer(m, engine.Options{Threads: 1})
			require.NoError(t, reference.Accumulate(context.Background(), sequences, func(i int, logp []float32) []float32 {
				r := rollouts[i]
				length, sum := 0, float32(0)
				for at, given := range r.Given {
					if !given {
						length++
						sum += logp[at] - r.LogProbs[at]
					}
				}
				divisor := float32(tokens)
				if n == BySequences {
					divisor = float32(length) * float32(len(rollouts))
				}
				out := make([]float32, len(logp))
				for at, given := range r.Given {
					if given {
						continue
					}
					token := Clip.Token(logp[at], r.LogProbs[at], advantages[i], h.bounds())
					if l == Sequence {
						token = Clip.Token(sum/float32(length), 0, advantages[i], h.bounds())
					}
					out[at] = token.DLogP / divisor
				}
				return out
			}))
			_, err = reference.Step(h.optimizer(1))
			require.NoError(t, err)
			require.Equal(t, stateOf(t, reference), stateOf(t, trainer), "%s %s", l, n)
		}
	}
}

func TestAMaskOfNothingChangesNoBit(t *testing.T) {
	m := tiny(t, 3)
	var states [][32]byte
	for _, masked := range []bool{false, true} {
		groups := sampled(t, m, 3, 4)
		if masked {
			for g := range groups {
				for i := range groups[g] {
					groups[g][i].Given = make([]bool, len(groups[g][i].Completion))
				}
			}
		}
		trainer := engine.NewTrainer(m, engine.Options{Threads: 1})
		_, err := Step(context.Background(), trainer, groups, 1, Default())
		require.NoError(t, err)
		states = append(states, stateOf(t, trainer))
	}
	require.Equal(t, states[0], states[1])
}

func TestAMaskThatFitsNothingIsRefused(t *testing.T) {
	m := tiny(t, 4)
	for name, mask := range map[string]func(n int) []bool{
		"too short": func(n int) []bool { return make([]bool, n-1) },
		"too long":  func(n int) []bool { return make([]bool, n+1) },
		"nothing sampled": func(n int) []bool {
			out := make([]bool, n)
			for i := range out {
				out[i] = true
			}
			return out
		},
	} {
		groups := sampled(t, m, 2, 4)
		r := &groups[1][2]
		r.Given = mask(len(r.Completion))
		_, err := Step(context.Background(), engine.NewTrainer(m, engine.Options{Threads: 1}), groups, 1, Default())
		require.ErrorIs(t, err, ErrBadGroup, name)
	}
	groups := withReplies(sampled(t, m, 2, 4))
	groups[0][0].LogProbs[0] = float32(math.NaN())
	metrics, err := Step(context.Background(), engine.NewTrainer(m, engine.Options{Threads: 1}), groups, 1, Default())
	require.NoError(t, err)
	require.Equal(t, 1, metrics.NonFinite)
}
