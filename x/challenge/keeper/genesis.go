package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// InitGenesis checks the state and stores it. Errors: those of
// GenesisState.Validate.
func (k *Keeper) InitGenesis(ctx context.Context, g types.GenesisState) error {
	if err := g.Validate(k.addressCodec, k.validatorCodec); err != nil {
		return err
	}
	if err := k.Params.Set(ctx, g.Params); err != nil {
		return err
	}
	for _, r := range g.Runs {
		if err := k.setRun(ctx, r); err != nil {
			return err
		}
	}
	for _, w := range g.Windows {
		if err := k.setWindow(ctx, w); err != nil { // rebuilds the indexes
			return err
		}
	}
	for _, m := range g.Miners {
		addr, err := k.addressCodec.StringToBytes(m.Address)
		if err != nil {
			return err
		}
		if err := k.Miners.Set(ctx, collections.Join3(m.Run, m.Window, addr), m); err != nil {
			return err
		}
	}
	for _, gr := range g.Graders {
		addr, err := k.validatorCodec.StringToBytes(gr.Address)
		if err != nil {
			return err
		}
		if err := k.Graders.Set(ctx, collections.Join3(gr.Run, gr.Window, addr), gr); err != nil {
			return err
		}
	}
	for _, b := range g.Beacons {
		if err := k.Beacons.Set(ctx, b.Round, b); err != nil {
			return err
		}
	}
	for _, t := range g.Tokenizers {
		if err := k.Tokenizers.Set(ctx, t.Run, t.File); err != nil {
			return err
		}
	}
	return k.NextRun.Set(ctx, g.NextRunOrDefault())
}

// ExportGenesis returns the whole state; InitGenesis of it gives the same state.
func (k *Keeper) ExportGenesis(ctx context.Context) (*types.GenesisState, error) {
	var (
		g   types.GenesisState
		err error
	)
	if g.Params, err = k.Params.Get(ctx); err != nil {
		return nil, err
	}
	if g.Runs, err = values(k.Runs.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Windows, err = values(k.Windows.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Miners, err = values(k.Miners.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Graders, err = values(k.Graders.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	if g.Beacons, err = values(k.Beacons.Iterate(ctx, nil)); err != nil {
		return nil, err
	}
	tokenizers, err := k.Tokenizers.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	files, err := tokenizers.KeyValues()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		g.Tokenizers = append(g.Tokenizers, types.RunTokenizer{Run: f.Key, File: f.Value})
	}
	if g.NextRun, err = k.NextRun.Get(ctx); err != nil {
		return nil, err
	}
	return &g, nil
}

// values drains and closes an iterator.
func values[K, V any](it collections.Iterator[K, V], err error) ([]V, error) {
	if err != nil {
		return nil, err
	}
	return it.Values()
}
