package keeper

import (
	"bytes"
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// UpdateRun changes a run's learner and parameters; windows that are open keep what
// they froze. The emission share is governance's, and tokenizer, vocabulary and
// context length describe the run's models: they stay. Errors: ErrRunNotFound,
// ErrUnauthorized, ErrRunStatus, ErrInvalidRun, ErrInvalidAddress.
func (s msgServer) UpdateRun(goCtx context.Context, msg *types.MsgUpdateRun) (*types.MsgUpdateRunResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.ownedRun(ctx, msg.Run, msg.Owner, false)
	if err != nil {
		return nil, err
	}
	if run.Status == types.RunStatus_RUN_STATUS_CLOSED {
		return nil, types.ErrRunStatus.Wrapf("run %d is closed", run.Id)
	}
	old, now := run.Params, msg.Params
	if now.EmissionSharePpm != old.EmissionSharePpm {
		return nil, types.ErrInvalidRun.Wrapf("emission_share_ppm must stay %d: governance alone changes shares", old.EmissionSharePpm)
	}
	if !bytes.Equal(now.TokenizerDigest, old.TokenizerDigest) || now.VocabSize != old.VocabSize || now.ContextLength != old.ContextLength {
		return nil, types.ErrInvalidRun.Wrap("tokenizer_digest, vocab_size and context_length describe the run's models and cannot change")
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	run.Learner, run.Params = msg.Learner, msg.Params
	if err := run.Validate(params, k.addressCodec); err != nil {
		return nil, err
	}
	if err := k.setRun(ctx, run); err != nil {
		return nil, err
	}
	return &types.MsgUpdateRunResponse{}, ctx.EventManager().EmitTypedEvent(&types.EventRunUpdated{Run: run.Id, Learner: run.Learner})
}

// PauseRun stops a run from opening windows; those that are open finish. Errors:
// ErrRunNotFound, ErrUnauthorized, ErrRunStatus, ErrInvalidReason, ErrInvalidAddress.
func (s msgServer) PauseRun(goCtx context.Context, msg *types.MsgPauseRun) (*types.MsgPauseRunResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.ownedRun(ctx, msg.Run, msg.Sender, true)
	if err != nil {
		return nil, err
	}
	if err := checkReason(msg.Reason); err != nil {
		return nil, err
	}
	if run.Status != types.RunStatus_RUN_STATUS_ACTIVE {
		return nil, types.ErrRunStatus.Wrapf("run %d is %s", run.Id, run.Status)
	}
	return &types.MsgPauseRunResponse{}, k.pauseRun(ctx, run, msg.Reason)
}

// ResumeRun lets a paused run open windows again, with the learner's timeout begun
// anew. The blocks of the pause that no window owned are not minted. Errors:
// ErrRunNotFound, ErrUnauthorized, ErrRunStatus, ErrInvalidAddress.
func (s msgServer) ResumeRun(goCtx context.Context, msg *types.MsgResumeRun) (*types.MsgResumeRunResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.ownedRun(ctx, msg.Run, msg.Sender, true)
	if err != nil {
		return nil, err
	}
	if run.Status != types.RunStatus_RUN_STATUS_PAUSED {
		return nil, types.ErrRunStatus.Wrapf("run %d is %s", run.Id, run.Status)
	}
	if run.NextWindow > 0 {
		prev, err := k.GetWindow(ctx, run.Id, run.NextWindow-1)
		if err != nil {
			return nil, err
		}
		if prev.EmissionEnd != 0 {
			run.EmissionNext = 0 // the next window's begins with its opening
		}
	}
	run.Status, run.PauseReason, run.StaleSinceWindow = types.RunStatus_RUN_STATUS_ACTIVE, "", run.NextWindow
	if err := k.setRun(ctx, run); err != nil {
		return nil, err
	}
	return &types.MsgResumeRunResponse{}, ctx.EventManager().EmitTypedEvent(&types.EventRunResumed{Run: run.Id})
}

// CloseRun ends a run for good; its share of emission is free again. Windows that
// are open finish, and once the last one is pruned the deposit goes back. Errors:
// ErrRunNotFound, ErrUnauthorized, ErrRunStatus, ErrInvalidAddress.
func (s msgServer) CloseRun(goCtx context.Context, msg *types.MsgCloseRun) (*types.MsgCloseRunResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	run, err := k.ownedRun(ctx, msg.Run, msg.Sender, true)
	if err != nil {
		return nil, err
	}
	if run.Status == types.RunStatus_RUN_STATUS_CLOSED {
		return nil, types.ErrRunStatus.Wrapf("run %d is closed", run.Id)
	}
	run.Status, run.PauseReason, run.Params.EmissionSharePpm = types.RunStatus_RUN_STATUS_CLOSED, "", 0
	if err := k.setRun(ctx, run); err != nil {
		return nil, err
	}
	return &types.MsgCloseRunResponse{}, ctx.EventManager().EmitTypedEvent(&types.EventRunClosed{Run: run.Id})
}

// SetEmissionShare gives a run its share of emission, from its next window on.
// Errors: sdkerrors.ErrUnauthorized, ErrRunNotFound, ErrRunStatus, ErrEmissionShares.
func (s msgServer) SetEmissionShare(goCtx context.Context, msg *types.MsgSetEmissionShare) (*types.MsgSetEmissionShareResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	if err := sdk.ValidateAuthority(ctx, k.authority, msg.Authority); err != nil {
		return nil, err
	}
	run, err := k.GetRun(ctx, msg.Run)
	if err != nil {
		return nil, err
	}
	if run.Status == types.RunStatus_RUN_STATUS_CLOSED {
		return nil, types.ErrRunStatus.Wrapf("run %d is closed", run.Id)
	}
	live, err := k.liveRuns(ctx)
	if err != nil {
		return nil, err
	}
	sum := uint64(msg.Ppm)
	for _, id := range live {
		other, err := k.GetRun(ctx, id)
		if err != nil {
			return nil, err
		}
		if id != run.Id {
			sum += uint64(other.Params.EmissionSharePpm)
		}
	}
	if sum > types.Million {
		return nil, types.ErrEmissionShares.Wrapf("%d ppm, at most %d", sum, types.Million)
	}
	run.Params.EmissionSharePpm = msg.Ppm
	if err := k.setRun(ctx, run); err != nil {
		return nil, err
	}
	return &types.MsgSetEmissionShareResponse{}, ctx.EventManager().EmitTypedEvent(&types.EventEmissionShareSet{Run: run.Id, Ppm: msg.Ppm})
}
