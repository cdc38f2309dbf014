package keeper

import (
	"context"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// WithdrawAccusation gives a deposit back whose judge window will never open: the run
// was closed before. A run that is paused may go on, so its accusations wait.
func (s msgServer) WithdrawAccusation(ctx context.Context, msg *types.MsgWithdrawAccusation) (*types.MsgWithdrawAccusationResponse, error) {
	accuser, err := s.canonical(msg.Accuser)
	if err != nil {
		return nil, err
	}
	a, ok, err := s.GetAccusation(ctx, msg.Run, msg.Id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, types.ErrAccusationNotFound.Wrapf("%d of run %d", msg.Id, msg.Run)
	}
	if a.Accuser != accuser {
		return nil, types.ErrNotAccuser.Wrapf("of accusation %d", msg.Id)
	}
	run, err := s.challenge.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if run.Status != challengetypes.RunStatus_RUN_STATUS_CLOSED || a.JudgeWindow < run.NextWindow {
		return nil, types.ErrStillJudged.Wrapf("by window %d of run %d", a.JudgeWindow, msg.Run)
	}
	if err := s.resolve(ctx, msg.Run, msg.Id, types.AccusationReturned); err != nil {
		return nil, err
	}
	// No window will ever be pruned with it.
	return &types.MsgWithdrawAccusationResponse{}, s.removeAccusation(ctx, a)
}
