package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/kernel"
	"github.com/galahad-network/galahad/testutil/shipped"
)

// The benchmarks of this file run the shipped model on one thread, on problems of
// the local network, with every kernel of this machine in turn; a token is one
// position of one sequence. Each reports tokens/s of the default kernel and of each
// by its name, the best turn of each, and how many times the portable kernel's the
// default's are.

// sequences is how many of a miner's rollouts the benchmarks work on.
const sequences = 64

// turn is the least time that a kernel is given at a time: all are given about as
// much, so that all are as likely to be disturbed.
const turn = 500 * time.Millisecond

// raceKernels runs the work that prepare returns for a kernel; it returns tokens.
func raceKernels(b *testing.B, prepare func(kernel.Kernel) func() int) {
	names := kernel.Names()
	work, best := make([]func() int, len(names)), make([]float64, len(names))
	for i, name := range names {
		k, err := kernel.Named(name)
		require.NoError(b, err)
		work[i] = prepare(k)
		work[i]() // the first time makes room
	}
	for b.Loop() {
		for i, do := range work {
			tokens, start := 0, time.Now()
			for time.Since(start) < turn {
				tokens += do()
			}
			best[i] = max(best[i], float64(tokens)/time.Since(start).Seconds())
		}
	}
	standard, err := kernel.Default()
	require.NoError(b, err)
	for i, name := range names {
		b.ReportMetric(best[i], name+"-tokens/s")
		if name == standard.Name() {
			b.ReportMetric(best[i], "tokens/s")
			b.ReportMetric(best[i]/best[len(names)-1], "over_go") // the portable kernel is the last
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDecode samples completions of a miner, batch of them side by
// side, in groups of 8 with one prompt each. Only completion tokens count; the time
// includes the prompts.
func BenchmarkDecode(b *testing.B) {
	c := shipped.Challenge(b)
	rollouts := shipped.Rollouts(b, c)[:sequences]
	for _, size := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			raceKernels(b, func(k kernel.Kernel) func() int {
				eng := engine.New(shipped.Base(b).Model, engine.Options{Threads: 1, Kernel: k})
				return func() (tokens int) {
					for from := 0; from < len(rollouts); from += size {
						reqs := make([]engine.Request, size)
						for i, r := range rollouts[from : from+size] {
							reqs[i] = engine.Request{Prompt: r.Prompt, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation)}
						}
						out, err := eng.Generate(b.Context(), reqs)
						require.NoError(b, err)
						for _, done := range out {
							tokens += len(done.Tokens)
						}
					}
					return tokens
				}
			})
		})
	}
}

// BenchmarkPrefill replays rollouts of a miner, one prefill each. Prompt and
// completion tokens count.
func BenchmarkPrefill(b *testing.B) {
	c := shipped.Challenge(b)
	var replays []engine.ReplayRequest
	tokens := 0
	for _, r := range shipped.Rollouts(b, c)[:sequences] {
		replays = append(replays, engine.ReplayRequest{
			Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: generate.Sampling(c.Generation),
		})
		tokens += len(r.Prompt) + len(r.Completion)
	}
	raceKernels(b, func(k kernel.Kernel) func() int {
		eng := engine.New(shipped.Base(b).Model, engine.Options{Threads: 1, Kernel: k})
		return func() int {
			_, err := eng.Replay(b.Context(), replays)
			require.NoError(b, err)
			return tokens
		}
	})
}

// BenchmarkTrain takes optimizer steps on rollouts of a miner: forward,
// backward, AdamW. Prompt and completion tokens count.
func BenchmarkTrain(b *testing.B) {
	var seqs []engine.TrainSequence
	tokens, completion := 0, 0
	for _, r := range shipped.Rollouts(b, shipped.Challenge(b))[:sequences] {
		seqs = append(seqs, engine.TrainSequence{Tokens: append(r.Prompt[:len(r.Prompt):len(r.Prompt)], r.Completion...), Prompt: len(r.Prompt)})
		tokens += len(r.Prompt) + len(r.Completion)
		completion += len(r.Completion)
	}
	raceKernels(b, func(k kernel.Kernel) func() int {
		trainer := engine.NewTrainer(shipped.Base(b).Model, engine.Options{Threads: 1, Kernel: k})
		return func() int {
			err := trainer.Accumulate(b.Context(), seqs, func(_ int, logp []float32) []float32 {
				for k := range logp {
					logp[k] = -1 / float32(completion)
				}
				return logp
			})
			require.NoError(b, err)
			_, err = trainer.Step(engine.AdamW{LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Clip: 1})
			require.NoError(b, err)
			return tokens
		}
	})
}
