package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Lock makes total of a miner's bond answer for a window, in place of what it locked
// there before. Locks of several windows add up: their growth needs free bond. It
// fails with ErrInvalidAmount, ErrNotRegistered, ErrLockShrinks, ErrLockSlashed or
// ErrInsufficientFreeBond, and then changes nothing.
func (k *Keeper) Lock(ctx context.Context, run, window uint64, addr sdk.AccAddress, total sdkmath.Int) error {
	if total.IsNil() || !total.IsPositive() {
		return types.ErrInvalidAmount.Wrap("a lock must be positive")
	}
	miner, err := k.registered(ctx, run, addr)
	if err != nil {
		return err
	}
	lock, locked, err := k.GetLock(ctx, run, window, addr)
	if err != nil {
		return err
	}
	if !locked {
		lock = types.Lock{Run: run, Window: window, Miner: miner.Address, Amount: sdkmath.ZeroInt()}
	}
	switch {
	case total.Equal(lock.Amount):
		return nil
	case total.LT(lock.Amount):
		return types.ErrLockShrinks.Wrapf("from %s to %s", lock.Amount, total)
	case lock.SlashedPpm > 0:
		return types.ErrLockSlashed.Wrapf("window %d", window)
	}
	free, err := k.free(ctx, addr, miner)
	if err != nil {
		return err
	}
	if growth := total.Sub(lock.Amount); growth.GT(free) {
		return types.ErrInsufficientFreeBond.Wrapf("window %d needs %s%s more, free are %s%s", window, growth, k.denom, free, k.denom)
	}
	lock.Amount = total
	if err := k.setLock(ctx, addr, lock); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventBondLocked{Run: run, Window: window, Miner: miner.Address, Amount: total.String()})
}

// ReleaseWindow drops all locks of a window.
func (k *Keeper) ReleaseWindow(ctx context.Context, run, window uint64) error {
	locks, err := k.WindowLocks(ctx, run, window)
	if err != nil {
		return err
	}
	for _, lock := range locks {
		addr, err := k.account(lock.Miner)
		if err != nil {
			return err
		}
		if err := k.removeLock(ctx, addr, lock); err != nil {
			return err
		}
		if err := k.emit(ctx, &types.EventBondReleased{
			Run: run, Window: window, Miner: lock.Miner, Amount: lock.Amount.String(),
		}); err != nil {
			return err
		}
	}
	return nil
}

// Slash burns ppm millionths of what a miner locked for a window, and returns how
// much it burned. All slashes of one lock together cost the largest of their rates:
// a later, larger one burns the difference, a smaller one nothing. The coins come
// from the bond, then from unbonding entries, oldest first; a miner without a lock
// has nothing to lose there.
func (k *Keeper) Slash(ctx context.Context, run, window uint64, addr sdk.AccAddress, ppm uint32, reason string) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	if ppm > types.MillionPPM {
		return none, types.ErrInvalidRate.Wrapf("%d millionths", ppm)
	}
	lock, ok, err := k.GetLock(ctx, run, window, addr)
	if err != nil || !ok || ppm <= lock.SlashedPpm {
		return none, err
	}
	before, err := types.PartOf(lock.Amount, lock.SlashedPpm)
	if err != nil {
		return none, err
	}
	after, err := types.PartOf(lock.Amount, ppm)
	if err != nil {
		return none, err
	}
	lock.SlashedPpm = ppm
	if err := k.setLock(ctx, addr, lock); err != nil {
		return none, err
	}
	burned, err := k.takeStake(ctx, run, addr, after.Sub(before))
	if err != nil {
		return none, err
	}
	if burned.IsPositive() {
		if err := k.bank.BurnCoins(ctx, types.ModuleName, k.coins(burned)); err != nil {
			return none, err
		}
	}
	return burned, k.emit(ctx, &types.EventMinerSlashed{
		Run: run, Window: window, Miner: lock.Miner, Amount: burned.String(), Reason: reason,
	})
}

// takeStake takes up to want out of a miner's records, from its bond and then from
// its unbonding entries, and returns how much it took. The coins are the caller's to
// burn.
func (k *Keeper) takeStake(ctx context.Context, run uint64, addr sdk.AccAddress, want sdkmath.Int) (sdkmath.Int, error) {
	left := want
	miner, ok, err := k.GetMiner(ctx, run, addr)
	if err != nil {
		return want, err
	}
	if ok {
		part := sdkmath.MinInt(left, miner.Bond)
		miner.Bond, left = miner.Bond.Sub(part), left.Sub(part)
		if err := k.setMiner(ctx, addr, miner); err != nil {
			return want, err
		}
	}
	if !left.IsPositive() {
		return want, nil
	}
	entries, err := k.MinerUnbondings(ctx, run, addr)
	if err != nil {
		return want, err
	}
	for _, u := range entries {
		part := sdkmath.MinInt(left, u.Amount)
		u.Amount, left = u.Amount.Sub(part), left.Sub(part)
		if u.Amount.IsZero() {
			err = k.removeUnbonding(ctx, addr, u)
		} else {
			err = k.Unbondings.Set(ctx, u.Id, u)
		}
		if err != nil {
			return want, err
		}
		if left.IsZero() {
			break
		}
	}
	return want.Sub(left), nil
}
