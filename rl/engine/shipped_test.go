package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/testutil/shipped"
)

// The benchmarks run the shipped model on one thread, on the problems of the local
// network; a token is one position of one sequence.

func perSecond(b *testing.B, tokens int) {
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkDecode samples completions side by side, batch of them at a time, in
// groups of 8 with one prompt each. Only completion tokens count; the time includes
// the prompts.
func BenchmarkDecode(b *testing.B) {
	c, eng := shipped.Challenge(b), shipped.Engine(b)
	rollouts := shipped.Rollouts(b, c)
	for _, size := range []int{1, 8, 128} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			tokens, next := 0, 0
			for b.Loop() {
				// The leaves in turn, so that every batch size meets the same lengths.
				reqs := make([]engine.Request, size)
				for i := range reqs {
					r := rollouts[next]
					reqs[i] = engine.Request{Prompt: r.Prompt, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation)}
					next = (next + 1) % len(rollouts)
				}
				out, err := eng.Generate(b.Context(), reqs)
				require.NoError(b, err)
				for _, done := range out {
					tokens += len(done.Tokens)
				}
			}
			perSecond(b, tokens)
		})
	}
}

// BenchmarkPrefill replays the 128 rollouts of a miner, one prefill each. Prompt and
// completion tokens count.
func BenchmarkPrefill(b *testing.B) {
	c, eng := shipped.Challenge(b), shipped.Engine(b)
	var replays []engine.ReplayRequest
	tokens, each := 0, 0
	for _, r := range shipped.Rollouts(b, c) {
		replays = append(replays, engine.ReplayRequest{
			Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation),
		})
		each += len(r.Prompt) + len(r.Completion)
	}
	for b.Loop() {
		_, err := eng.Replay(b.Context(), replays)
		require.NoError(b, err)
		tokens += each
	}
	perSecond(b, tokens)
}

// BenchmarkTrain takes optimizer steps on the 128 rollouts of a miner: forward,
// backward, AdamW. Prompt and completion tokens count.
func BenchmarkTrain(b *testing.B) {
	trainer := engine.NewTrainer(shipped.Base(b).Model, engine.Options{Threads: 1})
	var sequences []engine.TrainSequence
	tokens, each, completion := 0, 0, 0
	for _, r := range shipped.Rollouts(b, shipped.Challenge(b)) {
		sequences = append(sequences, engine.TrainSequence{Tokens: append(r.Prompt[:len(r.Prompt):len(r.Prompt)], r.Completion...), Prompt: len(r.Prompt)})
		each += len(r.Prompt) + len(r.Completion)
		completion += len(r.Completion)
	}
	for b.Loop() {
		err := trainer.Accumulate(b.Context(), sequences, func(_ int, logp []float32) []float32 {
			for k := range logp {
				logp[k] = -1 / float32(completion)
			}
			return logp
		})
		require.NoError(b, err)
		_, err = trainer.Step(engine.AdamW{LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Clip: 1})
		require.NoError(b, err)
		tokens += each
	}
	perSecond(b, tokens)
}
