package keeper

import (
	"bytes"
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// CommitVerdicts stores the hash of a grader's verdicts. A grader has one hash in a
// window, and no hash is taken twice.
func (s msgServer) CommitVerdicts(ctx context.Context, msg *types.MsgCommitVerdicts) (*types.MsgCommitVerdictsResponse, error) {
	if len(msg.Hash) != types.HashSize {
		return nil, types.ErrInvalidHash.Wrapf("%d bytes, want %d", len(msg.Hash), types.HashSize)
	}
	d, err := s.duty(ctx, msg.Grader, msg.Run, msg.Window, challengetypes.StageAudit)
	if err != nil {
		return nil, err
	}
	commits, err := values(s.Commits.Iterate(ctx, ofWindow[sdk.ValAddress](msg.Run, msg.Window)))
	if err != nil {
		return nil, err
	}
	for _, c := range commits { // at most max_graders
		if c.Grader == d.operator {
			return nil, types.ErrAlreadyCommitted.Wrapf("window %d of run %d", msg.Window, msg.Run)
		}
		if bytes.Equal(c.Hash, msg.Hash) {
			return nil, types.ErrCopiedHash.Wrapf("%s posted %X", c.Grader, msg.Hash)
		}
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
