package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Unbond moves free stake of the signer into an unbonding entry. Taking out all of
// the bond ends the registration.
func (s msgServer) Unbond(ctx context.Context, msg *types.MsgUnbond) (*types.MsgUnbondResponse, error) {
	addr, miner, err := s.signer(ctx, msg.Run, msg.Miner)
	if err != nil {
		return nil, err
	}
	if err := checkAmount(msg.Amount); err != nil {
		return nil, err
	}
	params, err := s.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	if msg.Amount.GT(miner.Bond) {
		return nil, types.ErrInsufficientFreeBond.Wrapf("the bond is %s%s", miner.Bond, s.denom)
	}
	rest := miner.Bond.Sub(msg.Amount)
	if rest.IsZero() {
		err = s.checkNotBusy(ctx, addr, miner)
	} else {
		err = s.checkRest(ctx, addr, miner, msg.Amount, rest, params)
	}
	if err != nil {
		return nil, err
	}
	entries, err := s.MinerUnbondings(ctx, msg.Run, addr)
	if err != nil {
		return nil, err
	}
	if uint64(len(entries)) >= uint64(params.MaxUnbondingEntries) {
		return nil, types.ErrTooManyUnbondings.Wrapf("%d entries; the first is paid at %s",
			len(entries), entries[0].CompletionTime)
	}

	completion := sdk.UnwrapSDKContext(ctx).BlockTime().Add(params.UnbondingTime)
	if rest.IsZero() {
		return &types.MsgUnbondResponse{CompletionTime: completion}, s.dismiss(ctx, params, addr, miner)
	}
	miner.Bond = rest
	if err := s.setMiner(ctx, addr, miner); err != nil {
		return nil, err
	}
	return &types.MsgUnbondResponse{CompletionTime: completion}, s.startUnbonding(ctx, params, addr, miner, msg.Amount)
}

// checkRest returns an error unless amount is free bond and what stays is at least min_bond.
func (s msgServer) checkRest(ctx context.Context, addr sdk.AccAddress, miner types.Miner, amount, rest sdkmath.Int, params types.Params) error {
	free, err := s.free(ctx, addr, miner)
	if err != nil {
		return err
	}
	if amount.GT(free) {
		return types.ErrInsufficientFreeBond.Wrapf("free are %s%s", free, s.denom)
	}
	if rest.LT(params.MinBond) {
		return types.ErrInsufficientBond.Wrapf("%s would be left, at least %s%s", rest, params.MinBond, s.denom)
	}
	return nil
}
