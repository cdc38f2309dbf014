package keeper

import (
	"bytes"
	"context"
	"encoding/hex"
	"math"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/policy/types"
)

// PublishCheckpoint puts the next version of a run's policy on chain. It waits
// policy_delay_blocks, or for the graders of the run's newest window to attest it,
// as the run says now. Errors: challenge's ErrRunNotFound, ErrInvalidAddress,
// ErrNotLearner, ErrRunClosed, ErrInvalidCheckpoint, ErrWrongVersion, ErrWrongParent,
// ErrDigestUsed, ErrTooManyPending, ErrWindowUsed, ErrWindowNotClosed, ErrFallenPolicy,
// ErrStale, ErrTooManyWindows, ErrEvaluation.
func (s msgServer) PublishCheckpoint(goCtx context.Context, msg *types.MsgPublishCheckpoint) (*types.MsgPublishCheckpointResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if err := k.checkLearner(run, msg.Learner); err != nil {
		return nil, err
	}
	if run.Status == challengetypes.RunStatus_RUN_STATUS_CLOSED {
		return nil, types.ErrRunClosed.Wrapf("run %d", run.Id)
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	head, err := k.Head(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	c := types.Checkpoint{
		Run:              msg.Run,
		Version:          msg.Version,
		ParentVersion:    head.Version,
		ParentDigest:     msg.ParentDigest,
		Depth:            head.Depth + 1,
		Digest:           msg.Digest,
		Locator:          msg.Locator,
		TrainedWindows:   msg.TrainedWindows,
		RolloutSetDigest: msg.RolloutSetDigest,
		StateHash:        msg.StateHash,
		StepKey:          msg.StepKey,
		Evaluation:       msg.Evaluation,
		PublishedHeight:  ctx.BlockHeight(),
		Status:           types.CheckpointStatus_CHECKPOINT_STATUS_PENDING,
	}.Normalized()
	if run.Params.PolicyActivation == challengetypes.PolicyActivation_POLICY_ACTIVATION_DELAYED {
		c.ActivatesHeight = ctx.BlockHeight() + max(1, int64(run.Params.PolicyDelayBlocks))
	}
	if c.Version == 0 {
		return nil, types.ErrWrongVersion.Wrapf("run %d: version 0 is the base model", c.Run)
	}
	if err := c.ValidateNew(params); err != nil {
		return nil, err
	}
	if err := k.checkSuccession(ctx, c, head); err != nil {
		return nil, err
	}
	if err := k.checkTrainedWindows(ctx, c, head); err != nil {
		return nil, err
	}
	if c, err = k.pin(ctx, c, types.BallotReview); err != nil {
		return nil, err
	}
	if err := k.add(ctx, c); err != nil {
		return nil, err
	}
	if err := k.retireOldest(ctx, c.Run, c.Version); err != nil {
		return nil, err
	}
	err = ctx.EventManager().EmitTypedEvent(&types.EventCheckpointPublished{
		Run: c.Run, Version: c.Version, ParentVersion: c.ParentVersion, Digest: hex.EncodeToString(c.Digest),
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

// checkSuccession checks that c has the next number, is made of the head and is new.
func (k *Keeper) checkSuccession(ctx sdk.Context, c, head types.Checkpoint) error {
	latest, err := k.Latest(ctx, c.Run)
	if err != nil {
		return err
	}
	if latest.Version == math.MaxUint64 || c.Version != latest.Version+1 {
		return types.ErrWrongVersion.Wrapf("run %d: version %d, the latest is %d", c.Run, c.Version, latest.Version)
	}
	if !bytes.Equal(c.ParentDigest, head.Digest) {
		return types.ErrWrongParent.Wrapf("run %d: parent %x, the head is version %d, %x", c.Run, c.ParentDigest, head.Version, head.Digest)
	}
	used, err := k.Digests.Has(ctx, collections.Join(c.Run, c.Digest))
	if err != nil {
		return err
	}
	if used {
		return types.ErrDigestUsed.Wrapf("run %d: %x", c.Run, c.Digest)
	}
	pending, err := k.pendingVersions(ctx, c.Run)
	if err != nil {
		return err
	}
	if len(pending) >= types.MaxPending {
		return types.ErrTooManyPending.Wrapf("run %d: %d already", c.Run, len(pending))
	}
	return nil
}

// checkTrainedWindows checks that the training data is new to the lineage, settled, of no
// more windows than the recipe of the newest takes, that no policy that sampled it has
// fallen, and that no rollout in it is older than its window allows. The newest window
// also says on how many problems the version was measured.
func (k *Keeper) checkTrainedWindows(ctx sdk.Context, c, head types.Checkpoint) error {
	if err := types.CheckNewWindows(c, head); err != nil {
		return err
	}
	var newest challengetypes.Window
	for _, id := range c.TrainedWindows {
		w, err := k.challenge.GetWindow(ctx, c.Run, id)
		if err != nil {
			return err
		}
		if s := k.challenge.Stage(ctx, w); s != challengetypes.StageClosed {
			return types.ErrWindowNotClosed.Wrapf("window %d of run %d is in %s", id, c.Run, s.Short())
		}
		if err := k.checkAge(ctx, c, w); err != nil {
			return err
		}
		newest = w
	}
	if n, most := len(c.TrainedWindows), newest.Params.Recipe.StepWindows; uint64(n) > uint64(most) {
		return types.ErrTooManyWindows.Wrapf("version %d of run %d names %d; step_windows of window %d is %d", c.Version, c.Run, n, newest.Id, most)
	}
	if asked := newest.Params.EvaluationProblems; c.Evaluation.Problems != asked {
		return types.ErrEvaluation.Wrapf("version %d of run %d was measured on %d held-out problems, window %d asks for %d",
			c.Version, c.Run, c.Evaluation.Problems, newest.Id, asked)
	}
	return nil
}

// checkAge checks that w is not too old to make c: staleness is counted in steps from the
// checkpoint that sampled it to the parent, which the step updates. What a fallen version
// sampled has no such distance.
func (k *Keeper) checkAge(ctx sdk.Context, c types.Checkpoint, w challengetypes.Window) error {
	maker, err := k.Checkpoint(ctx, c.Run, w.CheckpointVersion)
	if err != nil {
		return err
	}
	if maker.Fallen() {
		return types.ErrFallenPolicy.Wrapf("window %d of run %d: version %d is %s", w.Id, c.Run, maker.Version, maker.Status.Short())
	}
	// A window freezes an active version, an ancestor of the parent or the parent itself,
	// so this does not go below zero.
	parent := c.Depth - 1
	if age := parent - min(maker.Depth, parent); age > uint64(w.Params.MaxStaleness) {
		return types.ErrStale.Wrapf("window %d of run %d was made by version %d, %d steps before the parent; at most %d",
			w.Id, c.Run, maker.Version, age, w.Params.MaxStaleness)
	}
	return nil
}
