package validator

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/chain/checkpoints"
	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/rl/verify/replay"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// charge is an accusation that the window judges. Its goroutine writes result; it is
// read when that has ended.
type charge struct {
	accusation rollouttypes.Accusation
	result     verify.Result
}

// judge replays one accused leaf of an older window under that window's checkpoint.
// The leaf alone counts, so that every grader that has it comes to the same word. What
// cannot be had in time is undecided.
func (j *job) judge(fetching, checking context.Context, c *charge) verify.Result {
	res, err := j.try(fetching, checking, c.accusation)
	if err != nil {
		return verify.Result{Code: verify.Undecided, Leaf: c.accusation.Leaf, Detail: err.Error()}
	}
	return res
}

func (j *job) try(fetching, checking context.Context, a rollouttypes.Accusation) (verify.Result, error) {
	var none verify.Result
	w, commitment, err := j.accused(fetching, a)
	if err != nil {
		return none, err
	}
	policy, err := j.v.policyOf(fetching, w)
	if err != nil {
		return none, err
	}
	miner, err := sdk.AccAddressFromBech32(a.Miner)
	if err != nil {
		return none, err
	}
	challenge, err := w.Challenge(j.v.chain.ChainID(), miner, uint64(commitment.Groups))
	if err != nil {
		return none, err
	}
	if a.Leaf >= challenge.Leaves() {
		return none, fmt.Errorf("leaf %d of %d", a.Leaf, challenge.Leaves())
	}
	var res verify.Result
	var rollout batch.Rollout
	_, err = j.fetch(fetching, w, commitment, func(b batch.Batch) {
		if uint64(len(b.Leaves)) != challenge.Leaves() { // the leaf may not even be there
			res, _ = verify.Batch(challenge, policy.Tokenizer, commitment.Root, b.Leaves)
		} else {
			res, rollout = verify.Leaf(challenge, policy.Tokenizer, a.Leaf, b.Leaves[a.Leaf])
		}
	})
	if err != nil || res.Code != verify.OK {
		return res, err
	}
	done, err := j.v.turns.wait(checking, j.rankOfCharge(a))
	if err != nil {
		return none, fmt.Errorf("no time left for the replay: %w", err)
	}
	defer done()
	// The replay looks at the leaves that it is told to, and at no other.
	rollouts := make([]batch.Rollout, challenge.Leaves())
	rollouts[a.Leaf] = rollout
	res, _, err = replay.Check(checking, policy.Engine, policy.Tokenizer, challenge, rollouts, []uint64{a.Leaf})
	return res, err
}

// accused reads the window and the commitment that an accusation is about.
func (j *job) accused(ctx context.Context, a rollouttypes.Accusation) (w challengetypes.Window, c rollouttypes.Commitment, err error) {
	miner, err := sdk.AccAddressFromBech32(a.Miner)
	if err != nil {
		return w, c, err
	}
	status, err := j.v.chain.Window(ctx, a.Run, a.Window)
	if err != nil {
		return w, c, err
	}
	w = status.Window
	if err := j.v.fits(ctx, w); err != nil {
		return w, c, err
	}
	c, ok, err := j.v.chain.Commitment(ctx, a.Run, a.Window, miner)
	if err == nil && !ok {
		err = fmt.Errorf("%s committed nothing to window %d", a.Miner, a.Window)
	}
	return w, c, err
}

// policyOf loads the checkpoint that a window froze.
func (v *Validator) policyOf(ctx context.Context, w challengetypes.Window) (*checkpoints.Policy, error) {
	ck, ok, err := v.chain.Checkpoint(ctx, w.Run, w.CheckpointVersion)
	if err != nil {
		return nil, err
	}
	if !ok || !bytes.Equal(ck.Digest, w.CheckpointDigest) {
		return nil, fmt.Errorf("checkpoint %d of run %d is not the one that window %d froze", w.CheckpointVersion, w.Run, w.Id)
	}
	p, err := v.policies.Get(ctx, ck.Digest, ck.Locator)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %d: %w", w.CheckpointVersion, err)
	}
	return p, nil
}

// rankOfCharge puts accusations behind the miners of the window that judges them, by
// id: graders that are short of time leave out the same ones.
func (j *job) rankOfCharge(a rollouttypes.Accusation) []byte {
	last := slices.Repeat([]byte{0xff}, 32)
	return binary.BigEndian.AppendUint64(append(binary.BigEndian.AppendUint64(nil, j.window.Id), last...), a.Id)
}

// words are the verdicts on the accusations, by id.
func (j *job) words() (words []settlementtypes.AccusationVerdict, ids []uint64) {
	for _, c := range j.charges {
		words = append(words, settlementtypes.AccusationVerdict{Id: c.accusation.Id, Code: settlementtypes.VerdictCode(c.result.Code)})
		ids = append(ids, c.accusation.Id)
	}
	return words, ids
}
