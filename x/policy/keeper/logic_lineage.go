package keeper

import (
	"context"
	"encoding/hex"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/policy/types"
)

// The versions that have not fallen are a chain: each is published on the head, and
// whatever falls takes all that follow it. So the active version is the newest that
// is ACTIVE, the PENDING ones follow it in order up to the head, and a walk along
// them has at most MaxPending steps.

// CreateBase gives a run its base model: version 0, active at once. Errors:
// ErrBaseExists, ErrInvalidCheckpoint.
func (k *Keeper) CreateBase(ctx context.Context, run uint64, digest []byte, locator string) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	if has, err := k.Active.Has(ctx, run); err != nil {
		return err
	} else if has {
		return types.ErrBaseExists.Wrapf("run %d", run)
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	c := types.BaseCheckpoint(run, digest, locator, sdkCtx.BlockHeight())
	if err := c.ValidateNew(params); err != nil {
		return err
	}
	if err := k.add(ctx, c); err != nil {
		return err
	}
	if err := k.Active.Set(ctx, run, 0); err != nil {
		return err
	}
	return sdkCtx.EventManager().EmitTypedEvent(&types.EventCheckpointPublished{
		Run: run, Digest: hex.EncodeToString(digest), Locator: locator, ActivatesHeight: c.ActivatesHeight,
	})
}

// add stores a new version as the head of its run.
func (k *Keeper) add(ctx context.Context, c types.Checkpoint) error {
	if err := k.setCheckpoint(ctx, c); err != nil {
		return err
	}
	if err := k.Digests.Set(ctx, collections.Join(c.Run, c.Digest)); err != nil {
		return err
	}
	return k.Heads.Set(ctx, c.Run, c.Version)
}

// setCheckpoint stores a checkpoint and keeps the indexes Pending and Due in step.
func (k *Keeper) setCheckpoint(ctx context.Context, c types.Checkpoint) error {
	key := collections.Join(c.Run, c.Version)
	if err := k.Checkpoints.Set(ctx, key, c); err != nil {
		return err
	}
	if c.Status != types.CheckpointStatus_CHECKPOINT_STATUS_PENDING {
		return k.Pending.Remove(ctx, key)
	}
	if err := k.Pending.Set(ctx, key); err != nil {
		return err
	}
	if c.ActivatesHeight == 0 {
		return nil
	}
	return k.Due.Set(ctx, dueKeyOf(c))
}

func dueKeyOf(c types.Checkpoint) dueKey {
	return collections.Join3(uint64(c.ActivatesHeight), c.Run, c.Version)
}

// advance makes PENDING versions of a run active, oldest first, as long as they are
// ready for the next block: each needs its parent to be active.
func (k *Keeper) advance(ctx context.Context, run uint64) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	next := sdkCtx.BlockHeight() + 1
	pending, err := k.pendingVersions(ctx, run)
	if err != nil {
		return err
	}
	for _, version := range pending {
		c, err := k.Checkpoint(ctx, run, version)
		if err != nil {
			return err
		}
		if !c.Ready(next) {
			return nil
		}
		if c.ActivatesHeight != 0 {
			if err := k.Due.Remove(ctx, dueKeyOf(c)); err != nil {
				return err
			}
		}
		c.Status = types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE
		c.ActivatesHeight = next
		if err := k.setCheckpoint(ctx, c); err != nil {
			return err
		}
		if err := k.Active.Set(ctx, run, version); err != nil {
			return err
		}
		if err := k.retire(ctx, run, c.ParentVersion); err != nil { // it was the active one
			return err
		}
		if err := sdkCtx.EventManager().EmitTypedEvent(&types.EventCheckpointActivated{
			Run: run, Version: version, Digest: hex.EncodeToString(c.Digest), ActivatesHeight: next,
		}); err != nil {
			return err
		}
	}
	return nil
}

// fall makes a PENDING or the active version fall, with all that follow it; its
// parent is the head again. Where that is active again, it begins a new rollback
// ballot.
func (k *Keeper) fall(ctx context.Context, cause types.Checkpoint) error {
	to := types.CheckpointStatus_CHECKPOINT_STATUS_REJECTED
	if cause.Status == types.CheckpointStatus_CHECKPOINT_STATUS_ACTIVE {
		to = types.CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK
		if err := k.Active.Set(ctx, cause.Run, cause.ParentVersion); err != nil {
			return err
		}
		if err := k.reopen(ctx, cause.Run, cause.ParentVersion); err != nil {
			return err
		}
	}
	pending, err := k.pendingVersions(ctx, cause.Run)
	if err != nil {
		return err
	}
	if err := k.fell(ctx, cause, to, cause); err != nil {
		return err
	}
	for _, version := range pending {
		if version <= cause.Version {
			continue
		}
		c, err := k.Checkpoint(ctx, cause.Run, version)
		if err != nil {
			return err
		}
		if err := k.fell(ctx, c, to, cause); err != nil {
			return err
		}
	}
	return k.Heads.Set(ctx, cause.Run, cause.ParentVersion)
}

// fell stores that c fell because of cause, and tells of it.
func (k *Keeper) fell(ctx context.Context, c types.Checkpoint, to types.CheckpointStatus, cause types.Checkpoint) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	if c.Status == types.CheckpointStatus_CHECKPOINT_STATUS_PENDING && c.ActivatesHeight != 0 {
		if err := k.Due.Remove(ctx, dueKeyOf(c)); err != nil {
			return err
		}
		c.ActivatesHeight = 0 // it never was
	}
	c.Status, c.FellHeight = to, sdkCtx.BlockHeight()
	if err := k.setCheckpoint(ctx, c); err != nil {
		return err
	}
	if err := k.retire(ctx, c.Run, c.Version); err != nil {
		return err
	}
	if to == types.CheckpointStatus_CHECKPOINT_STATUS_REJECTED {
		return sdkCtx.EventManager().EmitTypedEvent(&types.EventCheckpointRejected{
			Run: c.Run, Version: c.Version, Cause: cause.Version,
		})
	}
	return sdkCtx.EventManager().EmitTypedEvent(&types.EventCheckpointRolledBack{
		Run: c.Run, Version: c.Version, Cause: cause.Version, Active: cause.ParentVersion,
	})
}
