package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/policy/types"
)

// RejectCheckpoint counts a grader's word that a replay of the step gave something
// else. More than 1/3 of the eligible stake reject the version and all that follow
// it. Errors: ErrCheckpointNotFound, ErrNotPending, ErrInvalidReason, those of cast.
func (s msgServer) RejectCheckpoint(ctx context.Context, msg *types.MsgRejectCheckpoint) (*types.MsgRejectCheckpointResponse, error) {
	c, err := s.k.pendingCheckpoint(ctx, msg.Run, msg.Version)
	if err != nil {
		return nil, err
	}
	if err := types.CheckReason(msg.Reason); err != nil {
		return nil, err
	}
	if c, err = s.k.cast(ctx, c, types.VoteKind_VOTE_KIND_REJECT, msg.Grader, msg.Reason); err != nil {
		return nil, err
	}
	if c.Refused() {
		if err := s.k.fall(ctx, c); err != nil {
			return nil, err
		}
		c.Status = types.CheckpointStatus_CHECKPOINT_STATUS_REJECTED
	}
	return &types.MsgRejectCheckpointResponse{Status: c.Status}, nil
}
