package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// minerKey is the key of what a miner has in a window.
func minerKey(run, window uint64, miner sdk.AccAddress) collections.Triple[uint64, uint64, sdk.AccAddress] {
	return collections.Join3(run, window, miner)
}

// lockedCommitment returns a commitment whose bond is still locked, so that the miner
// can be made to answer for it. Errors: ErrNotFound, ErrReleased.
func (k *Keeper) lockedCommitment(ctx context.Context, run, window uint64, miner sdk.AccAddress) (types.Commitment, error) {
	c, ok, err := k.Commitment(ctx, run, window, miner)
	if err != nil {
		return c, err
	}
	if !ok {
		return c, types.ErrNotFound.Wrapf("of %s to window %d of run %d", miner, window, run)
	}
	_, locked, err := k.registry.GetLock(ctx, run, window, miner)
	if err != nil {
		return c, err
	}
	if !locked {
		return c, types.ErrReleased.Wrapf("window %d of run %d", window, run)
	}
	return c, nil
}
