// Package generate answers a challenge honestly: it runs the model on a miner's
// groups and makes the canonical rollouts. Since sampling is forced by the
// challenge's seeds, the result is a pure function of checkpoint and challenge:
// it is the same on every machine, however the groups are split over calls.
package generate

import (
	"context"
	"fmt"
	"math"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/proof"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify"
)

// Sampling is the engine's form of a run's generation parameters.
func Sampling(g verify.Generation) engine.Sampling {
	return engine.Sampling{
		TemperatureBits: g.TemperatureBits,
		TopK:            int(g.TopK),
		TopPMillionths:  g.TopPMillionths,
		MaxNew:          int(min(g.MaxNew, math.MaxInt32)),
		EndTokens:       g.EndTokens,
	}
}

// Request asks for one completion of what is assigned, sampled from the stream of a seed.
func Request(tok tokenizer.Tokenizer, a verify.Assignment, s engine.Sampling, seed derive.Seed) engine.Request {
	return engine.Request{Prompt: a.Prompt, Seed: seed, Sampling: s, Reply: env.Replies(a.Env, tok, a.Problem, s.EndTokens)}
}

// Input is what a miner has in hand when it answers groups of a challenge.
type Input struct {
	Challenge verify.Challenge
	Groups    []uint64 // to answer now, ascending
	Engine    *engine.Engine
	Tokenizer tokenizer.Tokenizer
	// Previous runs the checkpoint before the challenge's; nil if there is none.
	// An honest miner has no use for it.
	Previous *engine.Engine
	// Peer returns the rollouts of another miner's batch, of an earlier window or
	// leaked; nil, or an empty answer, if none could be had. An honest miner has no
	// use for it.
	Peer func(ctx context.Context) ([]batch.Rollout, error)
}

// Strategy is how a miner makes its rollouts. The miner's daemon runs Honest;
// tests and the local network put a cheat in its place, to show that it is caught.
type Strategy interface {
	// Rollouts answers in.Groups: GroupSize rollouts a group, in leaf order.
	Rollouts(ctx context.Context, in Input) ([]batch.Rollout, error)
}

// Honest is the strategy of this package: Groups.
type Honest struct{}

var _ Strategy = Honest{}

// Rollouts implements Strategy.
func (Honest) Rollouts(ctx context.Context, in Input) ([]batch.Rollout, error) {
	return Groups(ctx, in.Engine, in.Tokenizer, in.Challenge, in.Groups)
}

// Groups returns the rollouts of the given groups of c.Miner, GroupSize for each
// group, in the order of groups and then of the index. All of them are generated
// side by side; a caller that wants progress or a time budget asks for a few
// groups at a time. Errors: the challenge's (env.ErrMix and others), the
// engine's, or ctx's.
func Groups(ctx context.Context, eng *engine.Engine, tok tokenizer.Tokenizer, c verify.Challenge, groups []uint64) ([]batch.Rollout, error) {
	sampling := Sampling(c.Generation)
	assigned := make([]verify.Assignment, len(groups))
	var reqs []engine.Request
	for i, g := range groups {
		a, err := c.Assign(tok, g)
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", g, err)
		}
		assigned[i] = a
		for index := range c.GroupSize {
			reqs = append(reqs, Request(tok, a, sampling, c.SampleSeed(g, index)))
		}
	}
	done, err := eng.Generate(ctx, reqs)
	if err != nil {
		return nil, fmt.Errorf("generate %d groups: %w", len(groups), err)
	}
	out := make([]batch.Rollout, len(done))
	for i, completion := range done {
		g, index := uint64(i)/c.GroupSize, uint64(i)%c.GroupSize
		out[i] = Rollout(c, tok, assigned[g], groups[g], index, completion)
	}
	return out, Prove(ctx, eng, c, out)
}

// Prove puts into each rollout the proof that the challenge asks for, by the hidden
// states of this engine; an exact run asks for none. Errors: the engine's,
// proof.ErrActivations, or ctx's.
func Prove(ctx context.Context, eng *engine.Engine, c verify.Challenge, rollouts []batch.Rollout) error {
	if c.ProofBytes(1) == 0 {
		return nil
	}
	reqs := make([]engine.ReplayRequest, len(rollouts))
	for i, r := range rollouts {
		reqs[i] = engine.ReplayRequest{
			Prompt: r.Prompt, Completion: r.Completion, Seed: c.SampleSeed(r.Group, r.Index), Sampling: Sampling(c.Generation),
		}
		for t := range r.Completion {
			reqs[i].HiddenAt = append(reqs[i].HiddenAt, t)
		}
	}
	replayed, err := eng.Replay(ctx, reqs)
	if err != nil {
		return fmt.Errorf("prove %d rollouts: %w", len(rollouts), err)
	}
	projection := proof.NewProjection(c.ChainID, c.Opening, c.Run, c.Window, eng.Model().Config().HiddenSize)
	for i := range rollouts {
		switch c.Tolerance.Proof {
		case verify.Sketch:
			rollouts[i].Proof, err = projection.Sketch(replayed[i].Hidden)
		case verify.TOPLOC:
			rollouts[i].Proof, err = proof.BuildAll(replayed[i].Hidden)
		}
		if err != nil {
			return fmt.Errorf("prove rollout %d of group %d: %w", rollouts[i].Index, rollouts[i].Group, err)
		}
	}
	return nil
}

// Rollout makes the canonical rollout of one completion.
func Rollout(c verify.Challenge, tok tokenizer.Tokenizer, a verify.Assignment, group, index uint64, completion engine.Completion) batch.Rollout {
	return batch.Rollout{
		Run: c.Run, Window: c.Window, Checkpoint: c.Checkpoint, Miner: c.Miner, Group: group, Index: index,
		Env: a.Env.ID(), Prompt: a.Prompt, Completion: completion.Tokens,
		LogProbs: batch.PackBits(Bits(completion.LogProbs)), Finish: completion.Finish,
		Reward: env.Judge(a.Env, tok, a.Problem, completion.Tokens, c.Generation.EndTokens),
	}
}

// Bits returns the IEEE-754 bits of each value.
func Bits(xs []float32) []uint32 {
	out := make([]uint32, len(xs))
	for i, x := range xs {
		out[i] = math.Float32bits(x)
	}
	return out
}
