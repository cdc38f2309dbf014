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
		if err := k.CommitmentsByMiner.Set(ctx, minerKey(c.Run, c.Window, addr), c); err != nil {
			return err
		}
	}
	for _, e := range g.Evidences {
		addr, err := k.account(e.Miner)
		if err != nil {
			return err
		}
		if err := k.EvidenceByMiner.Set(ctx, minerKey(e.Run, e.Window, addr), e); err != nil {
			return err
		}
	}
	for _, a := range g.Accusations { // by id, so that a leaf's newest one comes last
		if err := k.setAccusation(ctx, a); err != nil {
			return err
		}
	}
	return k.NextAccusation.Set(ctx, g.NextAccusation)
}

// ExportGenesis returns the state, from which InitGenesis makes the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	commitments, err := values(k.CommitmentsByMiner.Iterate(ctx, nil))
	if err != nil {
		return nil, err
	}
	evidences, err := values(k.EvidenceByMiner.Iterate(ctx, nil))
	if err != nil {
		return nil, err
	}
	accusations, err := values(k.AccusationsByID.Iterate(ctx, nil))
	if err != nil {
		return nil, err
	}
	next, err := k.NextAccusation.Get(ctx)
	return &types.GenesisState{
		Params: params, Commitments: commitments, Evidences: evidences, Accusations: accusations, NextAccusation: next,
	}, err
}

// values drains and closes an iterator of a map.
func values[K, V any](it collections.Iterator[K, V], err error) ([]V, error) {
	if err != nil {
		return nil, err
	}
	return it.Values()
}
