package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// duePerBlock is the most versions whose delay ends that a block looks at; the
// others wait for the next.
const duePerBlock = 256

// EndBlock activates the versions whose delay ends with the next block and removes
// old votes. It does not fail: a step that does is logged and leaves no trace.
func (k *Keeper) EndBlock(ctx context.Context) error {
	due, err := k.due(ctx)
	if err != nil {
		k.Logger(ctx).Error("look for versions whose delay has passed", "err", err)
	}
	for _, key := range due {
		// Out of the index first, so that one that cannot advance is not tried for ever.
		// One whose parent waits is activated with it.
		k.attempt(ctx, "end a delay", func(ctx context.Context) error { return k.Due.Remove(ctx, key) })
		k.attempt(ctx, "activate a version", func(ctx context.Context) error { return k.advance(ctx, key.K2()) })
	}
	k.attempt(ctx, "remove old votes", k.prune)
	return nil
}

// due lists the versions whose delay ends with the next block or ended before.
func (k *Keeper) due(ctx context.Context) ([]dueKey, error) {
	end := uint64(sdk.UnwrapSDKContext(ctx).BlockHeight()) + 2
	it, err := k.Due.Iterate(ctx, new(collections.Range[dueKey]).EndExclusive(
		collections.TriplePrefix[uint64, uint64, uint64](end)))
	if err != nil {
		return nil, err
	}
	return take(it, duePerBlock)
}
