package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// setUnbonding stores a new entry with its two indices.
func (k *Keeper) setUnbonding(ctx context.Context, addr sdk.AccAddress, u types.Unbonding) error {
	if err := k.UnbondingQueue.Set(ctx, queueKey(u)); err != nil {
		return err
	}
	if err := k.UnbondingsByMiner.Set(ctx, collections.Join3(u.Run, addr, u.Id)); err != nil {
		return err
	}
	return k.Unbondings.Set(ctx, u.Id, u)
}

// removeUnbonding undoes setUnbonding.
func (k *Keeper) removeUnbonding(ctx context.Context, addr sdk.AccAddress, u types.Unbonding) error {
	if err := k.UnbondingQueue.Remove(ctx, queueKey(u)); err != nil {
		return err
	}
	if err := k.UnbondingsByMiner.Remove(ctx, collections.Join3(u.Run, addr, u.Id)); err != nil {
		return err
	}
	return k.Unbondings.Remove(ctx, u.Id)
}

func queueKey(u types.Unbonding) collections.Pair[int64, uint64] {
	return collections.Join(u.CompletionTime.UnixNano(), u.Id)
}

// MinerUnbondings returns a miner's entries, oldest first.
func (k *Keeper) MinerUnbondings(ctx context.Context, run uint64, addr sdk.AccAddress) ([]types.Unbonding, error) {
	it, err := k.UnbondingsByMiner.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, sdk.AccAddress, uint64](run, addr))
	if err != nil {
		return nil, err
	}
	keys, err := it.Keys()
	if err != nil {
		return nil, err
	}
	entries := make([]types.Unbonding, 0, len(keys))
	for _, key := range keys {
		u, err := k.Unbondings.Get(ctx, key.K3())
		if err != nil {
			return nil, err
		}
		entries = append(entries, u)
	}
	return entries, nil
}

// matured returns the entries that are due at the block's time, those due first
// first, at most limit of them.
func (k *Keeper) matured(ctx context.Context, limit uint32) (due []types.Unbonding, err error) {
	now := sdk.UnwrapSDKContext(ctx).BlockTime().UnixNano()
	it, err := k.UnbondingQueue.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ; it.Valid() && uint64(len(due)) < uint64(limit); it.Next() {
		key, err := it.Key()
		if err != nil {
			return nil, err
		}
		if key.K1() > now {
			break
		}
		u, err := k.Unbondings.Get(ctx, key.K2())
		if err != nil {
			return nil, err
		}
		due = append(due, u)
	}
	return due, nil
}
