package keeper

import (
	"context"

	"cosmossdk.io/collections"

	"github.com/galahad-network/galahad/x/policy/types"
)

// CheckInvariants reports a state that contradicts itself: it must be a valid
// genesis, and the index of digests must be that of the checkpoints. Tests call
// it after every scenario; it reads everything.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	g, err := k.ExportGenesis(ctx)
	if err != nil {
		return err
	}
	if err := g.Validate(); err != nil {
		return err
	}
	it, err := k.Digests.Iterate(ctx, nil)
	if err != nil {
		return err
	}
	digests, err := it.Keys()
	if err != nil {
		return err
	}
	if len(digests) != len(g.Checkpoints) {
		return types.ErrInvalidGenesis.Wrapf("%d digests in the index of %d checkpoints", len(digests), len(g.Checkpoints))
	}
	for _, c := range g.Checkpoints {
		has, err := k.Digests.Has(ctx, collections.Join(c.Run, c.Digest))
		if err != nil {
			return err
		}
		if !has {
			return types.ErrInvalidGenesis.Wrapf("version %d of run %d is not in the index of digests", c.Version, c.Run)
		}
	}
	return nil
}
