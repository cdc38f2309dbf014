package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/rollout/types"
)

// InitGenesis writes a genesis state; it fails if the state is invalid.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, c := range g.Commitments {
		addr, err := k.account(c.Miner)
		if err != nil {
			return err
		}
		if err := k.CommitmentsByMiner.Set(ctx, collections.Join3(c.Run, c.Window, addr), c); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns the state, from which InitGenesis makes the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	it, err := k.CommitmentsByMiner.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	commitments, err := it.Values()
	return &types.GenesisState{Params: params, Commitments: commitments}, err
}
