package adversary

import (
	"context"
	"math"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// candidates is the N of best-of-N.
const candidates = 4

// bestOfN draws each rollout from its own seed and from three more, and keeps the
// one with the highest reward; among equals the likeliest. Only the seed is a lie.
func bestOfN(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	c, sampling := in.Challenge, generate.Sampling(in.Challenge.Generation)
	var out []batch.Rollout
	for _, g := range in.Groups {
		a, err := c.Assign(in.Tokenizer, g)
		if err != nil {
			return nil, err
		}
		var reqs []engine.Request
		for i := range c.GroupSize * candidates { // candidate 0 has the seed that it should have
			reqs = append(reqs, generate.Request(in.Tokenizer, a, sampling, c.SampleSeed(g, i)))
		}
		done, err := in.Engine.Generate(ctx, reqs)
		if err != nil {
			return nil, err
		}
		for i := range c.GroupSize {
			var best batch.Rollout
			var bestScore float64
			for n := range uint64(candidates) {
				completion := done[i+n*c.GroupSize]
				r := generate.Rollout(c, in.Tokenizer, a, g, i, completion)
				score := float64(r.Reward) + meanLogProb(completion)
				if n == 0 || score > bestScore {
					best, bestScore = r, score
				}
			}
			out = append(out, best)
		}
	}
	return out, generate.Prove(ctx, in.Engine, c, out)
}

func meanLogProb(c engine.Completion) float64 {
	var sum float64
	for _, x := range c.LogProbs {
		sum += float64(x)
	}
	return sum / float64(len(c.LogProbs))
}

// sampledWith samples by other rules than the run's.
func sampledWith(change func(*verify.Generation)) strategy {
	return func(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
		lie := in.Challenge
		lie.Tolerance = nil // proofs come with the scores
		change(&lie.Generation)
		out, err := generate.Groups(ctx, in.Engine, in.Tokenizer, lie, in.Groups)
		if err != nil {
			return nil, err
		}
		return out, score(ctx, in, out, every(out))
	}
}

func cold(g *verify.Generation) {
	g.TemperatureBits = math.Float32bits(0.7 * math.Float32frombits(g.TemperatureBits))
}

// right is the worked right answer with its end token, where the environment has one that
// fits.
func right(in generate.Input, a verify.Assignment) []int32 {
	e, ok := a.Env.(*env.Arithmetic)
	if !ok {
		return nil
	}
	tokens, err := in.Tokenizer.Encode(e.CleanChain(a.Problem))
	if err != nil || len(tokens) >= in.Challenge.Limit(len(a.Prompt)) {
		return nil
	}
	return append(tokens, in.Challenge.Generation.EndTokens[0])
}

func inject(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return rewrite(ctx, in, func(a verify.Assignment, _ batch.Rollout) []int32 { return right(in, a) })
}

// edit is inject where only tokens from the first wrong one on are the miner's: what is
// before is as it was sampled.
func edit(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return rewrite(ctx, in, func(a verify.Assignment, r batch.Rollout) []int32 {
		if r.Reward == env.FullReward {
			return nil
		}
		return right(in, a)
	})
}

func earlyStop(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return rewrite(ctx, in, func(_ verify.Assignment, r batch.Rollout) []int32 {
		return append(slices.Clone(r.Completion[:len(r.Completion)/2]), in.Challenge.Generation.EndTokens[0])
	})
}

// noStop goes on where the end token was drawn, with the token before it.
func noStop(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return rewrite(ctx, in, func(_ verify.Assignment, r batch.Rollout) []int32 {
		n := len(r.Completion)
		if r.Finish != batch.FinishEnd || n < 2 {
			return nil
		}
		tokens := slices.Clone(r.Completion[:n-1])
		for len(tokens) < in.Challenge.Limit(len(r.Prompt)) {
			tokens = append(tokens, tokens[n-2])
		}
		return tokens
	})
}

func padding(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return rewrite(ctx, in, func(_ verify.Assignment, r batch.Rollout) []int32 {
		if r.Finish != batch.FinishEnd || len(r.Completion) >= in.Challenge.Limit(len(r.Prompt)) {
			return nil
		}
		return append(slices.Clone(r.Completion), r.Completion[0])
	})
}
