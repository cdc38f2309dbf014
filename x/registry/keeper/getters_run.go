package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// RunMiners are the miners registered with a run, ascending by raw address.
func (k *Keeper) RunMiners(ctx context.Context, run uint64) ([]types.Miner, error) {
	return values(k.Miners.Iterate(ctx, collections.NewPrefixedPairRange[uint64, sdk.AccAddress](run)))
}
