package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// CreateRun begins a run with a deposit and without a share of emission. Its first
// window opens with the next block. Errors: ErrInvalidRun, ErrInvalidAddress,
// ErrTooManyRuns, ErrDeposit, ErrTokenizer, bank's, policy's.
func (s msgServer) CreateRun(goCtx context.Context, msg *types.MsgCreateRun) (*types.MsgCreateRunResponse, error) {
	ctx, k := sdk.UnwrapSDKContext(goCtx), s.k
	if k.policy == nil {
		return nil, types.ErrNotWired
	}
	creator, err := k.addressCodec.StringToBytes(msg.Creator)
	if err != nil {
		return nil, types.ErrInvalidAddress.Wrapf("creator: %s", err)
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if msg.Deposit.IsNil() || msg.Deposit.LT(params.RunDeposit) {
		return nil, types.ErrDeposit.Wrapf("at least %s agal", params.RunDeposit)
	}
	if msg.Params.EmissionSharePpm != 0 {
		return nil, types.ErrInvalidRun.Wrap("emission_share_ppm must be 0: governance alone gives shares")
	}
	live, err := k.liveRuns(ctx)
	if err != nil {
		return nil, err
	}
	if len(live) >= types.MaxRuns {
		return nil, types.ErrTooManyRuns.Wrapf("%d", len(live))
	}
	id, err := k.NextRun.Get(ctx)
	if err != nil {
		return nil, err
	}
	run := types.Run{
		Id: id, Owner: msg.Creator, Learner: msg.Learner, Name: msg.Name, Params: msg.Params,
		Status: types.RunStatus_RUN_STATUS_ACTIVE, Deposit: msg.Deposit,
	}
	if err := run.Validate(params, k.addressCodec); err != nil {
		return nil, err
	}
	if len(msg.Tokenizer) > 0 {
		if err := run.Params.CheckTokenizer(msg.Tokenizer); err != nil {
			return nil, err
		}
		if err := k.Tokenizers.Set(ctx, id, msg.Tokenizer); err != nil {
			return nil, err
		}
	}
	if msg.Deposit.IsPositive() {
		coins := sdk.NewCoins(sdk.NewCoin(k.denom, msg.Deposit))
		if err := k.bank.SendCoinsFromAccountToModule(ctx, creator, types.ModuleName, coins); err != nil {
			return nil, err
		}
	}
	if err := k.setRun(ctx, run); err != nil {
		return nil, err
	}
	if err := k.NextRun.Set(ctx, id+1); err != nil {
		return nil, err
	}
	if err := k.policy.CreateBase(ctx, id, msg.BaseDigest, msg.BaseLocator); err != nil {
		return nil, err
	}
	return &types.MsgCreateRunResponse{Run: id}, ctx.EventManager().EmitTypedEvent(&types.EventRunCreated{
		Run: id, Owner: msg.Creator, Learner: msg.Learner, Name: msg.Name, Deposit: msg.Deposit.String(),
	})
}
