package keeper

import (
	"context"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// CommitVerdicts stores the hash of a grader's verdicts. A grader has one hash in a
// window, the first. A hash that another grader has posted, too, is not refused: it
// binds one grader's address, so only that one can open it, and refusing it would let
// whoever sees it in the mempool post it first and so keep its owner from its duty.
func (s msgServer) CommitVerdicts(ctx context.Context, msg *types.MsgCommitVerdicts) (*types.MsgCommitVerdictsResponse, error) {
	if len(msg.Hash) != types.HashSize {
		return nil, types.ErrInvalidHash.Wrapf("%d bytes, want %d", len(msg.Hash), types.HashSize)
	}
	d, err := s.duty(ctx, msg.Grader, msg.Run, msg.Window, challengetypes.StageAudit)
	if err != nil {
		return nil, err
	}
	if has, err := s.Commits.Has(ctx, d.key); err != nil {
		return nil, err
	} else if has {
		return nil, types.ErrAlreadyCommitted.Wrapf("window %d of run %d", msg.Window, msg.Run)
	}
	if err := s.Commits.Set(ctx, d.key, types.VerdictCommit{
		Run: msg.Run, Window: msg.Window, Grader: d.operator, Hash: msg.Hash,
	}); err != nil {
		return nil, err
	}
	return &types.MsgCommitVerdictsResponse{}, s.emit(ctx, &types.EventVerdictsCommitted{
		Run: msg.Run, Window: msg.Window, Grader: d.operator,
	})
}
