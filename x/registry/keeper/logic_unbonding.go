package keeper

import (
	"context"
	"fmt"
	"time"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// retryHeld is when an entry that locks hold is looked at again, if unbonding_time is
// not shorter.
const retryHeld = 10 * time.Minute

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
		err := inCache(ctx, func(ctx context.Context) error { return k.mature(ctx, u, params) })
		if err == nil {
			continue
		}
		k.logger(ctx).Error("unbonding entry not paid", "id", u.Id, "miner", u.Miner, "err", err)
		if err := inCache(ctx, func(ctx context.Context) error { return k.postpone(ctx, u, params.UnbondingTime) }); err != nil {
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

// mature pays an entry that is due, or puts it back while the miner's locks expose
// more than would be left without it. unbonding_time is longer than a lock lives, but
// time goes on while the chain or a run stands still, and windows do not.
func (k *Keeper) mature(ctx context.Context, u types.Unbonding, params types.Params) error {
	addr, err := k.account(u.Miner)
	if err != nil {
		return err
	}
	locked, err := k.Locked(ctx, u.Run, addr)
	if err != nil {
		return err
	}
	if locked.IsPositive() { // hardly ever, so the rest costs other entries nothing
		stake, err := k.stake(ctx, u.Run, addr)
		if err != nil {
			return err
		}
		if stake.Sub(u.Amount).LT(locked) {
			return k.postpone(ctx, u, min(retryHeld, params.UnbondingTime))
		}
	}
	return k.pay(ctx, u)
}

// stake is what a miner's locks can be taken from: its bond and its unbonding entries.
func (k *Keeper) stake(ctx context.Context, run uint64, addr sdk.AccAddress) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	miner, ok, err := k.GetMiner(ctx, run, addr)
	if err != nil {
		return sum, err
	}
	if ok {
		sum = miner.Bond
	}
	entries, err := k.MinerUnbondings(ctx, run, addr)
	if err != nil {
		return sum, err
	}
	for _, u := range entries {
		if sum, err = sum.SafeAdd(u.Amount); err != nil {
			return sum, types.ErrInvalidAmount.Wrap(err.Error())
		}
	}
	return sum, nil
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

// postpone puts an entry that is not paid back into the queue.
func (k *Keeper) postpone(ctx context.Context, u types.Unbonding, delay time.Duration) error {
	addr, err := k.account(u.Miner)
	if err != nil {
		return err
	}
	if err := k.removeUnbonding(ctx, addr, u); err != nil {
		return err
	}
	u.CompletionTime = sdk.UnwrapSDKContext(ctx).BlockTime().Add(delay)
	if err := k.setUnbonding(ctx, addr, u); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventUnbondingHeld{
		Run: u.Run, Miner: u.Miner, Id: u.Id, Amount: u.Amount.String(), CompletionTime: sdk.FormatTimeString(u.CompletionTime),
	})
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
