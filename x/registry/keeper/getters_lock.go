package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// GetLock returns a miner's lock for a window; ok is false if nothing is locked.
func (k *Keeper) GetLock(ctx context.Context, run, window uint64, addr sdk.AccAddress) (lock types.Lock, ok bool, err error) {
	lock, err = k.Locks.Get(ctx, collections.Join3(run, window, addr))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Lock{}, false, nil
	}
	return lock, err == nil, err
}

func (k *Keeper) setLock(ctx context.Context, addr sdk.AccAddress, lock types.Lock) error {
	if err := k.LocksByMiner.Set(ctx, collections.Join3(lock.Run, addr, lock.Window)); err != nil {
		return err
	}
	return k.Locks.Set(ctx, collections.Join3(lock.Run, lock.Window, addr), lock)
}

func (k *Keeper) removeLock(ctx context.Context, addr sdk.AccAddress, lock types.Lock) error {
	if err := k.LocksByMiner.Remove(ctx, collections.Join3(lock.Run, addr, lock.Window)); err != nil {
		return err
	}
	return k.Locks.Remove(ctx, collections.Join3(lock.Run, lock.Window, addr))
}

// MinerLocks returns a miner's locks, oldest window first: one for each window that
// is open or within evidence_windows.
func (k *Keeper) MinerLocks(ctx context.Context, run uint64, addr sdk.AccAddress) ([]types.Lock, error) {
	keys, err := k.LocksByMiner.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, sdk.AccAddress, uint64](run, addr))
	if err != nil {
		return nil, err
	}
	found, err := keys.Keys() // closes the iterator before anything is written
	if err != nil {
		return nil, err
	}
	locks := make([]types.Lock, 0, len(found))
	for _, key := range found {
		lock, err := k.Locks.Get(ctx, collections.Join3(run, key.K3(), addr))
		if err != nil {
			return nil, err
		}
		locks = append(locks, lock)
	}
	return locks, nil
}

// WindowLocks returns the locks of a window, ascending by miner.
func (k *Keeper) WindowLocks(ctx context.Context, run, window uint64) ([]types.Lock, error) {
	it, err := k.Locks.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, sdk.AccAddress](run, window))
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// Locked is what a miner's locks can still cost it: the sum of their amounts, each
// less what it was slashed for.
func (k *Keeper) Locked(ctx context.Context, run uint64, addr sdk.AccAddress) (sdkmath.Int, error) {
	locks, err := k.MinerLocks(ctx, run, addr)
	if err != nil {
		return sdkmath.Int{}, err
	}
	sum := sdkmath.ZeroInt()
	for _, lock := range locks {
		exposed, err := lock.Exposed()
		if err != nil {
			return sdkmath.Int{}, err
		}
		if sum, err = sum.SafeAdd(exposed); err != nil {
			return sdkmath.Int{}, types.ErrInvalidAmount.Wrap(err.Error())
		}
	}
	return sum, nil
}

// free is the part of a miner's bond that no lock claims.
func (k *Keeper) free(ctx context.Context, addr sdk.AccAddress, miner types.Miner) (sdkmath.Int, error) {
	locked, err := k.Locked(ctx, miner.Run, addr)
	if err != nil {
		return sdkmath.Int{}, err
	}
	if locked.GTE(miner.Bond) {
		return sdkmath.ZeroInt(), nil
	}
	return miner.Bond.Sub(locked), nil
}
