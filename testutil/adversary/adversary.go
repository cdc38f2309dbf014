// Package adversary holds dishonest miners, each "a real miner with one lie", for
// tests and for the local network's --cheat flag. All of them pass every check
// that needs no model, where their lie allows it: a cheat that a table look-up
// finds would prove little.
//
//	best-of-n     samples each rollout several times and submits the best
//	forge-reward  claims the reward that it did not earn
//	copy          submits another miner's completions as its own
//	stale         samples from the checkpoint before the current one, as soon as there is one
//	junk          writes tokens at random, without a model
package adversary

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// Kinds of dishonest miners.
const (
	BestOfN     = "best-of-n"
	ForgeReward = "forge-reward"
	Copy        = "copy"
	Stale       = "stale"
	Junk        = "junk"
)

var (
	// ErrKind is returned by New for a kind that does not exist.
	ErrKind = errors.New("adversary: no such kind")
	// ErrNothingToCopy is returned by the copying miner as long as no other
	// miner's batch can be had; it then commits nothing.
	ErrNothingToCopy = errors.New("adversary: no batch of another miner to copy")
)

// candidates is the N of best-of-N.
const candidates = 4

// Kinds lists the kinds in the order of the package comment.
func Kinds() []string { return []string{BestOfN, ForgeReward, Copy, Stale, Junk} }

// New returns the strategy of a kind. Error: ErrKind.
func New(kind string) (generate.Strategy, error) {
	switch kind {
	case BestOfN:
		return strategy(bestOfN), nil
	case ForgeReward:
		return strategy(forgeReward), nil
	case Copy:
		return strategy(copyPeer), nil
	case Stale:
		return strategy(stale), nil
	case Junk:
		return strategy(junk), nil
	}
	return nil, fmt.Errorf("%w: %q; there are %v", ErrKind, kind, Kinds())
}

// Expected lists the codes that a kind can end with when it is audited.
func Expected(kind string) []verify.Code {
	switch kind {
	case ForgeReward:
		return []verify.Code{verify.BadReward}
	case Stale: // close weights may force the same tokens, never the same bits
		return []verify.Code{verify.BadSample, verify.BadLogProb}
	case BestOfN, Copy, Junk:
		return []verify.Code{verify.BadSample}
	}
	return nil
}

type strategy func(ctx context.Context, in generate.Input) ([]batch.Rollout, error)

// Rollouts implements generate.Strategy.
func (s strategy) Rollouts(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	return s(ctx, in)
}

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
			reqs = append(reqs, engine.Request{Prompt: a.Prompt, Seed: c.SampleSeed(g, i), Sampling: sampling})
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
	return out, nil
}

func meanLogProb(c engine.Completion) float64 {
	var sum float64
	for _, x := range c.LogProbs {
		sum += float64(x)
	}
	return sum / float64(len(c.LogProbs))
}

// forgeReward answers honestly and claims full reward for every wrong answer. If
// all are right it claims that the first is wrong: a group without variance is
// not trained on, so it would look useless.
func forgeReward(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	if err != nil || len(out) == 0 {
		return out, err
	}
	forged := false
	for i := range out {
		if out[i].Reward != env.FullReward {
			out[i].Reward, forged = env.FullReward, true
		}
	}
	if !forged {
		out[0].Reward = 0
	}
	return out, nil
}

// copyPeer takes another miner's completions and log-probabilities, in order and
// again from the start where they are too few, and binds them to its own address,
// groups and prompts, with the reward that they then have.
func copyPeer(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	if in.Peer == nil {
		return nil, ErrNothingToCopy
	}
	peer, err := in.Peer(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNothingToCopy, err)
	}
	if len(peer) == 0 {
		return nil, ErrNothingToCopy
	}
	return fill(in, func(a verify.Assignment, leaf uint64, r *batch.Rollout) {
		from := peer[leaf%uint64(len(peer))]
		r.Completion, r.LogProbs, r.Finish = from.Completion, from.LogProbs, from.Finish
	})
}

// stale samples from the previous checkpoint and says that it is the current one.
// As long as there is no previous one it is honest: it has nothing to be late with.
func stale(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	old := in.Previous
	if old == nil {
		old = in.Engine
	}
	return generate.Groups(ctx, old, in.Tokenizer, in.Challenge, in.Groups)
}

// junk writes completions of random text tokens, and log-probabilities of a
// uniform distribution.
func junk(_ context.Context, in generate.Input) ([]batch.Rollout, error) {
	c := in.Challenge
	return fill(in, func(a verify.Assignment, leaf uint64, r *batch.Rollout) {
		s := derive.NewStream(derive.Derive(c.ChainID, "junk", c.Miner, derive.U64(c.Window), derive.U64(leaf)))
		for range 1 + s.Below(uint64(c.Limit(len(a.Prompt)))-1) {
			id := int32(s.Below(uint64(c.VocabSize)))
			if !slices.Contains(c.Generation.EndTokens, id) {
				r.Completion = append(r.Completion, id)
			}
		}
		r.Completion, r.Finish = append(r.Completion, c.Generation.EndTokens[0]), batch.FinishEnd
		const log32 = 0xc05dce9e // f32 bits of -ln 32
		for range r.Completion {
			r.LogProbs = append(r.LogProbs, batch.PackBits([]uint32{log32})...)
		}
	})
}

// fill makes rollouts that are bound as they should be, with what write says of
// their completion, and the reward of that.
func fill(in generate.Input, write func(a verify.Assignment, leaf uint64, r *batch.Rollout)) ([]batch.Rollout, error) {
	c := in.Challenge
	var out []batch.Rollout
	for _, g := range in.Groups {
		a, err := c.Assign(in.Tokenizer, g)
		if err != nil {
			return nil, err
		}
		for i := range c.GroupSize {
			r := batch.Rollout{
				Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: g, Index: i,
				Env: a.Env.ID(), Prompt: a.Prompt,
			}
			write(a, g*c.GroupSize+i, &r)
			r.Reward = env.Judge(a.Env, in.Tokenizer, a.Problem, r.Completion, c.Generation.EndTokens)
			out = append(out, r)
		}
	}
	return out, nil
}
