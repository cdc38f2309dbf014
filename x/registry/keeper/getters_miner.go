package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// GetMiner returns a registration; ok is false if addr is no miner of the run.
func (k *Keeper) GetMiner(ctx context.Context, run uint64, addr sdk.AccAddress) (miner types.Miner, ok bool, err error) {
	miner, err = k.Miners.Get(ctx, collections.Join(run, addr))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Miner{}, false, nil
	}
	return miner, err == nil, err
}

// registered returns a registration or ErrNotRegistered.
func (k *Keeper) registered(ctx context.Context, run uint64, addr sdk.AccAddress) (types.Miner, error) {
	miner, ok, err := k.GetMiner(ctx, run, addr)
	if err == nil && !ok {
		err = types.ErrNotRegistered.Wrapf("run %d", run)
	}
	return miner, err
}

func (k *Keeper) setMiner(ctx context.Context, addr sdk.AccAddress, miner types.Miner) error {
	return k.Miners.Set(ctx, collections.Join(miner.Run, addr), miner)
}

// minerCount is the number of a run's miners.
func (k *Keeper) minerCount(ctx context.Context, run uint64) (uint64, error) {
	return getOrZero(k.MinerCounts.Get(ctx, run))
}

// addMiner stores a new miner with its order and counts it.
func (k *Keeper) addMiner(ctx context.Context, addr sdk.AccAddress, miner types.Miner) error {
	count, err := k.minerCount(ctx, miner.Run)
	if err != nil {
		return err
	}
	if err := k.MinerCounts.Set(ctx, miner.Run, count+1); err != nil {
		return err
	}
	if err := k.MinersByOrder.Set(ctx, collections.Join(miner.Run, miner.Order), addr); err != nil {
		return err
	}
	return k.setMiner(ctx, addr, miner)
}

// removeMiner undoes addMiner.
func (k *Keeper) removeMiner(ctx context.Context, addr sdk.AccAddress, miner types.Miner) error {
	count, err := k.minerCount(ctx, miner.Run)
	if err != nil {
		return err
	}
	if count == 0 {
		return types.ErrBrokenInvariant.Wrapf("run %d has a miner but counts none", miner.Run)
	}
	if err := k.MinerCounts.Set(ctx, miner.Run, count-1); err != nil {
		return err
	}
	if err := k.MinersByOrder.Remove(ctx, collections.Join(miner.Run, miner.Order)); err != nil {
		return err
	}
	return k.Miners.Remove(ctx, collections.Join(miner.Run, addr))
}

// nextOrder hands out a run's next serial number.
func (k *Keeper) nextOrder(ctx context.Context, run uint64) (uint64, error) {
	order, err := getOrZero(k.NextOrders.Get(ctx, run))
	if err != nil {
		return 0, err
	}
	return order, k.NextOrders.Set(ctx, run, order+1)
}

// getOrZero takes a number that was never written for zero.
func getOrZero(n uint64, err error) (uint64, error) {
	if errors.Is(err, collections.ErrNotFound) {
		return 0, nil
	}
	return n, err
}
