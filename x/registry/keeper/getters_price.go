package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/registry/types"
)

// Price is what a registration with a run costs in the context's block: price_floor
// for a run without registrations.
func (k *Keeper) Price(ctx context.Context, params types.Params, run uint64) (sdkmath.Int, error) {
	last, err := k.Prices.Get(ctx, run)
	if errors.Is(err, collections.ErrNotFound) {
		return params.PriceFloor, nil
	}
	if err != nil {
		return sdkmath.Int{}, err
	}
	// A chain that restarts from an export at height 1 has prices of later blocks: they
	// wait for their block.
	blocks := max(0, sdk.UnwrapSDKContext(ctx).BlockHeight()-last.Height)
	return types.DecayedPrice(last.Price, params.PriceFloor, uint64(blocks), params.PriceHalfLife), nil
}

// raisePrice writes what a registration at price makes of the run's price.
func (k *Keeper) raisePrice(ctx context.Context, params types.Params, run uint64, price sdkmath.Int) error {
	return k.Prices.Set(ctx, run, types.RegistrationPrice{
		Run:    run,
		Price:  types.RaisedPrice(price, params.PriceFactorPpm),
		Height: sdk.UnwrapSDKContext(ctx).BlockHeight(),
	})
}
