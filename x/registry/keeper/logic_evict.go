package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// score is a miner's mean score; without a source of scores all are zero.
func (k *Keeper) score(ctx context.Context, run uint64, addr sdk.AccAddress) (uint64, error) {
	if k.scores == nil {
		return 0, nil
	}
	return k.scores.MeanScore(ctx, run, addr)
}

// weakest is the miner that leaves a full run for a newcomer, with its score; ok is
// false if all are immune. It looks at every miner of the run, at most as many as
// max_miners ever allowed, and the newcomer pays the gas.
func (k *Keeper) weakest(ctx context.Context, params types.Params, run uint64) (addr sdk.AccAddress, miner types.Miner, score uint64, ok bool, err error) {
	entries, err := k.Miners.Iterate(ctx, collections.NewPrefixedPairRange[uint64, sdk.AccAddress](run))
	if err != nil {
		return nil, types.Miner{}, 0, false, err
	}
	miners, err := entries.KeyValues() // closes the iterator before anything else is read
	if err != nil {
		return nil, types.Miner{}, 0, false, err
	}
	candidates := make([]types.Candidate, len(miners))
	for i, m := range miners {
		if score, err = k.score(ctx, run, m.Key.K2()); err != nil {
			return nil, types.Miner{}, 0, false, err
		}
		candidates[i] = types.Candidate{Score: score, Order: m.Value.Order, RegisteredHeight: m.Value.RegisteredHeight}
	}
	i, ok := types.Weakest(candidates, sdk.UnwrapSDKContext(ctx).BlockHeight(), params.ImmunityBlocks)
	if !ok {
		return nil, types.Miner{}, 0, false, nil
	}
	return miners[i].Key.K2(), miners[i].Value, candidates[i].Score, true, nil
}

// makeRoom evicts the weakest miner of a full run for the newcomer by, and returns
// its address, which is empty if there was a free place. It fails with ErrRunFull if
// all are immune.
func (k *Keeper) makeRoom(ctx context.Context, params types.Params, run uint64, by string) (string, error) {
	count, err := k.minerCount(ctx, run)
	if err != nil || count < uint64(params.MaxMiners) {
		return "", err
	}
	addr, miner, score, ok, err := k.weakest(ctx, params, run)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", types.ErrRunFull.Wrapf("run %d has %d miners, all of them within %d blocks of their registration", run, count, params.ImmunityBlocks)
	}
	if err := k.emit(ctx, &types.EventMinerEvicted{Run: run, Miner: miner.Address, By: by, Score: score}); err != nil {
		return "", err
	}
	return miner.Address, k.dismiss(ctx, params, addr, miner)
}

// dismiss ends a registration and puts all of its bond into the unbonding queue,
// whatever max_unbonding_entries says: nobody but the miner itself can be made to
// wait for a place there. Locks stay, and what they expose stays slashable in the
// entry; a jail term waits for the miner to come back.
func (k *Keeper) dismiss(ctx context.Context, params types.Params, addr sdk.AccAddress, miner types.Miner) error {
	if err := k.removeMiner(ctx, addr, miner); err != nil {
		return err
	}
	if err := k.keepTerm(ctx, addr, miner); err != nil {
		return err
	}
	if miner.Bond.IsPositive() { // slashing may have left nothing
		if err := k.startUnbonding(ctx, params, addr, miner, miner.Bond); err != nil {
			return err
		}
	}
	return k.emit(ctx, &types.EventMinerLeft{Run: miner.Run, Miner: miner.Address})
}
