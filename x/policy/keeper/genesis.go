package keeper

import (
	"context"

	"github.com/galahad-network/galahad/x/policy/types"
)

// InitGenesis checks the state and stores it. The challenge module's state must
// be there: every run needs its base model, and every checkpoint its run. Errors:
// those of GenesisState.Validate, ErrCheckpointNotFound, challenge's ErrRunNotFound.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, c := range g.Checkpoints {
		if _, err := k.challenge.GetRun(ctx, c.Run); err != nil {
			return err
		}
		if err := k.setCheckpoint(ctx, c); err != nil {
			return err
		}
	}
	runs, err := k.challenge.RunIDs(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if _, err := k.Checkpoint(ctx, run, 0); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis returns the whole state; InitGenesis of it gives the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return nil, err
	}
	it, err := k.Checkpoints.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	checkpoints, err := it.Values()
	if err != nil {
		return nil, err
	}
	return &types.GenesisState{Params: params, Checkpoints: checkpoints}, nil
}
