package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

var _ challengetypes.ChallengeHooks = (*Keeper)(nil)

// accusationKeys is how many keys an accusation has.
const accusationKeys = 3

// AfterWindowVoid implements x/challenge's hooks: nobody judges in a VOID window. To
// defer what was deferred already does nothing.
func (k *Keeper) AfterWindowVoid(ctx context.Context, w challengetypes.Window) error {
	return k.DeferAccusations(ctx, w.Run, w.Id)
}

// PruneWindow implements x/challenge's hooks: it removes the commitments to a window,
// the evidence in it and the accusations that it judged, at most limit keys, and says
// how many and whether that was all.
func (k *Keeper) PruneWindow(ctx context.Context, run, window uint64, limit int) (removed int, done bool, err error) {
	if removed, err = removeMiners(ctx, k.CommitmentsByMiner, run, window, limit); err != nil {
		return removed, false, err
	}
	n, err := removeMiners(ctx, k.EvidenceByMiner, run, window, limit-removed)
	if removed += n; err != nil {
		return removed, false, err
	}
	accusations, err := k.Accusations(ctx, run, window)
	if err != nil {
		return removed, false, err
	}
	for _, a := range accusations {
		if removed+accusationKeys > limit {
			return removed, false, nil
		}
		if a.Status == types.AccusationPending { // its window was never settled: nobody may keep the deposit
			if err := k.resolve(ctx, run, a.Id, types.AccusationReturned); err != nil {
				return removed, false, err
			}
		}
		if err := k.removeAccusation(ctx, a); err != nil {
			return removed, false, err
		}
		removed += accusationKeys
	}
	// With the limit reached nobody has looked whether there is more.
	return removed, removed < limit, nil
}

// removeMiners removes at most limit entries of a window and says how many.
func removeMiners[V any](
	ctx context.Context, m collections.Map[collections.Triple[uint64, uint64, sdk.AccAddress], V], run, window uint64, limit int,
) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	it, err := m.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, sdk.AccAddress](run, window))
	if err != nil {
		return 0, err
	}
	var keys []collections.Triple[uint64, uint64, sdk.AccAddress]
	for ; it.Valid() && len(keys) < limit; it.Next() {
		key, err := it.Key()
		if err != nil {
			return 0, closing(it, err)
		}
		keys = append(keys, key)
	}
	if err := it.Close(); err != nil {
		return 0, err
	}
	for i, key := range keys { // after the iterator is closed
		if err := m.Remove(ctx, key); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

// closing closes an iterator on the way out with an error, which counts.
func closing(it interface{ Close() error }, err error) error {
	if cerr := it.Close(); cerr != nil && err == nil {
		return cerr
	}
	return err
}
