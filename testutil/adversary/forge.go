package adversary

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/derive"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/generate"
	"github.com/galahad-network/galahad/rl/verify"
)

// sabotage answers honestly, and claims full reward for what has less and none for what has it.
func sabotage(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	for i := range out {
		if out[i].Reward == env.FullReward {
			out[i].Reward = 0
		} else {
			out[i].Reward = env.FullReward
		}
	}
	return out, err
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

// forgeFinish changes the finish of the first rollout of each group.
func forgeFinish(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	for i := 0; i < len(out); i += int(in.Challenge.GroupSize) {
		if out[i].Finish == batch.FinishEnd {
			out[i].Finish = batch.FinishLength
		} else {
			out[i].Finish = batch.FinishEnd
		}
	}
	return out, err
}

func forgeLogProbs(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	out, err := generate.Honest{}.Rollouts(ctx, in)
	for i := range out {
		out[i].LogProbs = make([]byte, len(out[i].LogProbs))
	}
	return out, err
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
		r.Completion, r.LogProbs, r.Finish, r.Proof = from.Completion, from.LogProbs, from.Finish, from.Proof
	})
}

// repeat shops for a problem: whatever group is asked for, it answers the first.
func repeat(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	first := in
	first.Groups = []uint64{0}
	out, err := generate.Honest{}.Rollouts(ctx, first)
	if err != nil {
		return nil, err
	}
	var all []batch.Rollout
	for _, g := range in.Groups {
		for _, r := range out {
			r.Group = g
			all = append(all, r)
		}
	}
	return all, nil
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
		r.Proof = make([]byte, c.ProofBytes(len(r.Completion)))
	})
}

// junkOne is honest in all groups but the last one of the challenge.
func junkOne(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
	honest, lied := in, in
	last := in.Challenge.Groups - 1
	honest.Groups = slices.DeleteFunc(slices.Clone(in.Groups), func(g uint64) bool { return g == last })
	lied.Groups = slices.DeleteFunc(slices.Clone(in.Groups), func(g uint64) bool { return g != last })
	out, err := generate.Honest{}.Rollouts(ctx, honest)
	if err != nil {
		return nil, err
	}
	more, err := junk(ctx, lied)
	return append(out, more...), err
}

// proofOf answers honestly and replaces the proofs, where the run asks for any.
func proofOf(forge func(all []batch.Rollout, i int) []byte) strategy {
	return func(ctx context.Context, in generate.Input) ([]batch.Rollout, error) {
		honest, err := generate.Honest{}.Rollouts(ctx, in)
		out := slices.Clone(honest)
		for i := range out {
			if len(honest[i].Proof) > 0 {
				out[i].Proof = forge(honest, i)
			}
		}
		return out, err
	}
}

// constantProof repeats one word: for a sketch the same value at every position, for
// TOPLOC a polynomial of one value.
func constantProof(all []batch.Rollout, i int) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, 1), len(all[i].Proof)/4+1)[:len(all[i].Proof)]
}

// otherProof is the next rollout's proof, cut or repeated to the length.
func otherProof(all []batch.Rollout, i int) []byte {
	other := all[(i+1)%len(all)].Proof
	return bytes.Repeat(other, len(all[i].Proof)/len(other)+1)[:len(all[i].Proof)]
}
