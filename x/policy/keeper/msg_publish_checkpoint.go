package keeper

import (
	"bytes"
	"context"
	"encoding/hex"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/types"
)

// PublishCheckpoint puts the next version of a run's policy on chain. It becomes
// active policy_delay_blocks later. Errors: challenge's ErrRunNotFound,
// ErrInvalidAddress, ErrNotLearner, ErrInvalidCheckpoint, ErrWrongVersion,
// ErrWrongParent, ErrDigestUsed, ErrTooManyPending, ErrWindowNotClosed, ErrStale.
func (s msgServer) PublishCheckpoint(goCtx context.Context, msg *types.MsgPublishCheckpoint) (*types.MsgPublishCheckpointResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if err := k.checkLearner(run, msg.Learner); err != nil {
		return nil, err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	c := types.Checkpoint{
		Run:              msg.Run,
		Version:          msg.Version,
		ParentDigest:     msg.ParentDigest,
		Digest:           msg.Digest,
		Locator:          msg.Locator,
		TrainedWindows:   msg.TrainedWindows,
		RolloutSetDigest: msg.RolloutSetDigest,
		StateHash:        msg.StateHash,
		PublishedHeight:  ctx.BlockHeight(),
		ActivatesHeight:  ctx.BlockHeight() + int64(run.Params.PolicyDelayBlocks),
	}
	if err := c.Validate(params); err != nil {
		return nil, err
	}
	if err := k.checkSuccession(ctx, c); err != nil {
		return nil, err
	}
	if err := k.checkTrainedWindows(ctx, run, c); err != nil {
		return nil, err
	}
	if err := k.setCheckpoint(ctx, c); err != nil {
		return nil, err
	}
	err = ctx.EventManager().EmitTypedEvent(&types.EventCheckpointPublished{
		Run: c.Run, Version: c.Version, Digest: hex.EncodeToString(c.Digest),
		Locator: c.Locator, ActivatesHeight: c.ActivatesHeight,
	})
	if err != nil {
		return nil, err
	}
	return &types.MsgPublishCheckpointResponse{ActivatesHeight: c.ActivatesHeight}, nil
}

// checkLearner compares raw bytes: one account has several spellings.
func (k *Keeper) checkLearner(run challengetypes.Run, signer string) error {
	got, err := k.addressCodec.StringToBytes(signer)
	if err != nil {
		return types.ErrInvalidAddress.Wrapf("learner: %s", err)
	}
	want, err := k.addressCodec.StringToBytes(run.Learner)
	if err != nil {
		return types.ErrInvalidAddress.Wrapf("learner of run %d: %s", run.Id, err)
	}
	if !bytes.Equal(got, want) {
		return types.ErrNotLearner.Wrapf("run %d: %s is not %s", run.Id, signer, run.Learner)
	}
	return nil
}

// checkSuccession checks that c follows the latest checkpoint and is new.
func (k *Keeper) checkSuccession(ctx sdk.Context, c types.Checkpoint) error {
	latest, err := k.Latest(ctx, c.Run)
	if err != nil {
		return err
	}
	if c.Version != latest.Version+1 {
		return types.ErrWrongVersion.Wrapf("run %d: version %d, the latest is %d", c.Run, c.Version, latest.Version)
	}
	if !bytes.Equal(c.ParentDigest, latest.Digest) {
		return types.ErrWrongParent.Wrapf("run %d: parent %x, version %d is %x", c.Run, c.ParentDigest, latest.Version, latest.Digest)
	}
	used, err := k.Digests.Has(ctx, collections.Join(c.Run, c.Digest))
	if err != nil {
		return err
	}
	if used {
		return types.ErrDigestUsed.Wrapf("run %d: %x", c.Run, c.Digest)
	}
	if latest.Version < types.MaxPending {
		return nil
	}
	oldest, err := k.Checkpoint(ctx, c.Run, latest.Version-types.MaxPending+1)
	if err != nil {
		return err
	}
	if oldest.ActivatesHeight > ctx.BlockHeight() {
		return types.ErrTooManyPending.Wrapf("run %d: %d already", c.Run, types.MaxPending)
	}
	return nil
}

// checkTrainedWindows checks that the training data is settled, and that no
// rollout in it is older than the run allows: staleness is counted in versions
// from the checkpoint that made a rollout to the parent, which the step updates.
func (k *Keeper) checkTrainedWindows(ctx sdk.Context, run challengetypes.Run, c types.Checkpoint) error {
	parent := c.Version - 1
	for _, id := range c.TrainedWindows {
		w, err := k.challenge.GetWindow(ctx, c.Run, id)
		if err != nil {
			return err
		}
		if s := k.challenge.Stage(ctx, w); s != challengetypes.StageClosed {
			return types.ErrWindowNotClosed.Wrapf("window %d of run %d is in %s", id, c.Run, s.Short())
		}
		// A window freezes a published version, so this does not go below zero.
		if age := parent - min(w.CheckpointVersion, parent); age > uint64(run.Params.MaxStaleness) {
			return types.ErrStale.Wrapf("window %d of run %d was made by version %d, %d versions before the parent; at most %d",
				id, c.Run, w.CheckpointVersion, age, run.Params.MaxStaleness)
		}
	}
	return nil
}
