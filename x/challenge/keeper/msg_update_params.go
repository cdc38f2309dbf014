package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// UpdateParams changes the parameters by governance. They must hold together with
// those of every run that is not CLOSED: nobody could change a closed one's. A network
// cannot become a test network. Rounds that are already fixed keep their numbers: after
// a change of the beacon the windows that wait for rounds of the old one become VOID
// when they time out.
// Errors: sdkerrors.ErrUnauthorized, ErrInvalidParams.
func (s msgServer) UpdateParams(goCtx context.Context, msg *types.MsgUpdateParams) (*types.MsgUpdateParamsResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	if err := sdk.ValidateAuthority(ctx, k.authority, msg.Authority); err != nil {
		return nil, err
	}
	if err := msg.Params.Validate(); err != nil {
		return nil, err
	}
	old, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if msg.Params.Beacon.Test && !old.Beacon.Test {
		return nil, types.ErrInvalidParams.Wrap("beacon.test: a network cannot become a test network")
	}
	if !msg.Params.Beacon.SameNetwork(old.Beacon) {
		if _, err := k.fixRound(ctx, msg.Params); err != nil {
			return nil, types.ErrInvalidParams.Wrapf("beacon: no window could open: %s", err)
		}
	}
	runs, err := k.liveRuns(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range runs {
		run, err := k.GetRun(ctx, id)
		if err != nil {
			return nil, err
		}
		if run.Status == types.RunStatus_RUN_STATUS_CLOSED {
			continue
		}
		if err := run.Params.Validate(msg.Params); err != nil {
			return nil, types.ErrInvalidParams.Wrapf("run %d: %s", id, err)
		}
	}
	if err := k.Params.Set(ctx, msg.Params); err != nil {
		return nil, err
	}
	return &types.MsgUpdateParamsResponse{}, nil
}
