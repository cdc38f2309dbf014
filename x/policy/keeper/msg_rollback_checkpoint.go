package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/policy/types"
)

// RollbackCheckpoint counts a grader's vote to return from the active version to its
// parent. More than 2/3 of the eligible stake do, and all that follow the version
// fall with it; windows freeze the parent from the next one on. Errors:
// ErrCheckpointNotFound, ErrNotActive, ErrNoParent, those of cast.
func (s msgServer) RollbackCheckpoint(ctx context.Context, msg *types.MsgRollbackCheckpoint) (*types.MsgRollbackCheckpointResponse, error) {
	active, err := s.k.ActiveVersion(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if msg.Version != active.Version {
		return nil, types.ErrNotActive.Wrapf("version %d of run %d, the active one is %d", msg.Version, msg.Run, active.Version)
	}
	if active.Version == 0 {
		return nil, types.ErrNoParent.Wrapf("run %d", msg.Run)
	}
	c, err := s.k.cast(ctx, active, types.VoteKind_VOTE_KIND_ROLLBACK, msg.Grader, "")
	if err != nil {
		return nil, err
	}
	if c.Recalled() {
		if err := s.k.fall(ctx, c); err != nil {
			return nil, err
		}
		c.Status = types.CheckpointStatus_CHECKPOINT_STATUS_ROLLED_BACK
	}
	return &types.MsgRollbackCheckpointResponse{Status: c.Status}, nil
}
