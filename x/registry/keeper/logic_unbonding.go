package keeper

import (
	"context"
	"fmt"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// EndBlock pays unbonding entries that are due, at most max_mature_per_block. The
// rest waits for the next block. It never fails: what cannot be paid is reported,
// kept and tried again later, so that it neither halts the chain nor holds up the
// entries behind it.
func (k *Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		k.logger(ctx).Error("parameters are not readable", "err", err)
		return nil
	}
	due, err := k.matured(ctx, params.MaxMaturePerBlock)
	if err != nil {
		k.logger(ctx).Error("unbonding queue is not readable", "err", err)
		return nil
	}
	for _, u := range due {
		err := inCache(ctx, func(ctx context.Context) error { return k.pay(ctx, u) })
		if err == nil {
			continue
		}
		k.logger(ctx).Error("unbonding entry not paid", "id", u.Id, "miner", u.Miner, "err", err)
		if err := inCache(ctx, func(ctx context.Context) error { return k.postpone(ctx, u, params) }); err != nil {
			k.logger(ctx).Error("unbonding entry not postponed", "id", u.Id, "err", err)
		}
	}
	return nil
}

// startUnbonding writes an entry of amount, which has left the bond.
func (k *Keeper) startUnbonding(ctx context.Context, params types.Params, addr sdk.AccAddress, miner types.Miner, amount sdkmath.Int) error {
	id, err := getOrZero(k.NextUnbondingID.Get(ctx))
	if err != nil {
		return err
	}
	if err := k.NextUnbondingID.Set(ctx, id+1); err != nil {
		return err
	}
	entry := types.Unbonding{
		Run:            miner.Run,
		Miner:          miner.Address,
		Id:             id,
		Amount:         amount,
		CompletionTime: sdk.UnwrapSDKContext(ctx).BlockTime().Add(params.UnbondingTime),
	}
	if err := k.setUnbonding(ctx, addr, entry); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventUnbondingStarted{
		Run: miner.Run, Miner: miner.Address, Amount: amount.String(),
		CompletionTime: sdk.FormatTimeString(entry.CompletionTime),
	})
}

// pay sends an entry's coins to its miner and forgets the entry.
func (k *Keeper) pay(ctx context.Context, u types.Unbonding) error {
	addr, err := k.account(u.Miner)
	if err != nil {
		return err
	}
	if err := k.removeUnbonding(ctx, addr, u); err != nil {
		return err
	}
	if err := k.bank.SendCoinsFromModuleToAccount(ctx, types.ModuleName, addr, k.coins(u.Amount)); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventUnbondingPaid{Run: u.Run, Miner: u.Miner, Amount: u.Amount.String()})
}

// postpone puts an entry that cannot be paid at the end of the queue.
func (k *Keeper) postpone(ctx context.Context, u types.Unbonding, params types.Params) error {
	addr, err := k.account(u.Miner)
	if err != nil {
		return err
	}
	if err := k.removeUnbonding(ctx, addr, u); err != nil {
		return err
	}
	u.CompletionTime = sdk.UnwrapSDKContext(ctx).BlockTime().Add(params.UnbondingTime)
	return k.setUnbonding(ctx, addr, u)
}

// inCache runs f on a copy of the state, which replaces the state if f succeeds. A
// panic counts as an error: no entry may halt the chain.
func inCache(ctx context.Context, f func(ctx context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	cached, write := sdk.UnwrapSDKContext(ctx).CacheContext()
	if err := f(cached); err != nil {
		return err
	}
	write()
	return nil
}
