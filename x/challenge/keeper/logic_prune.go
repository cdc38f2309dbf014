package keeper

import (
	"context"
	"errors"
	"math"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// prune removes what nobody needs any more: at most prune_per_block keys over all
// runs and modules, the runs taking turns to be first.
func (k *Keeper) prune(ctx context.Context, params types.Params, runs []uint64) {
	left := int(params.PrunePerBlock)
	height := sdk.UnwrapSDKContext(ctx).BlockHeight()
	for i := range runs {
		id := runs[(uint64(height)+uint64(i))%uint64(len(runs))]
		if left <= 0 {
			return
		}
		removed := 0
		_ = k.attempt(ctx, "prune a window", func(ctx context.Context) (err error) {
			removed, err = k.pruneWindow(ctx, params, id, left)
			return err
		})
		left -= removed
	}
	if left > 0 {
		_ = k.attempt(ctx, "prune beacons", func(ctx context.Context) error { return k.pruneBeacons(ctx, runs, left) })
	}
}

// pruneWindow removes at most limit keys of the run's oldest window if it is due:
// first those of other modules, then its frozen sets, then itself.
func (k *Keeper) pruneWindow(ctx context.Context, params types.Params, id uint64, limit int) (int, error) {
	run, err := k.GetRun(ctx, id)
	if err != nil || run.FirstWindow == run.NextWindow {
		return 0, err
	}
	open, err := k.OpenWindows(ctx, id)
	if err != nil {
		return 0, err
	}
	oldest := run.NextWindow
	if len(open) > 0 {
		oldest = open[0].Id
	}
	last, err := k.GetWindow(ctx, id, run.NextWindow-1)
	if err != nil {
		return 0, err
	}
	if !types.PruneDue(run, oldest, last, params.KeepWindows, sdk.UnwrapSDKContext(ctx).BlockHeight()) {
		return 0, nil
	}
	window := run.FirstWindow
	removed, done, err := k.pruneOthers(ctx, id, window, limit)
	if err != nil || !done {
		return removed, err
	}
	of := collections.NewSuperPrefixedTripleRange[uint64, uint64, []byte](id, window)
	miners, err := take(k.Miners.Iterate(ctx, of))(limit - removed)
	if err != nil {
		return removed, err
	}
	for _, key := range miners {
		if err := k.Miners.Remove(ctx, key); err != nil {
			return removed, err
		}
		removed++
	}
	graders, err := take(k.Graders.Iterate(ctx, of))(limit - removed)
	if err != nil {
		return removed, err
	}
	for _, key := range graders {
		if err := k.Graders.Remove(ctx, key); err != nil {
			return removed, err
		}
		removed++
	}
	if removed >= limit { // there may be more, and the window itself is a key
		return removed, nil
	}
	if err := k.Windows.Remove(ctx, collections.Join(id, window)); err != nil {
		return removed, err
	}
	removed++
	run.FirstWindow++
	if err := k.setRun(ctx, run); err != nil {
		return removed, err
	}
	return removed, sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventWindowPruned{Run: id, Window: window})
}

// pruneOthers asks the hooks in order, each once those before it are done, for at most
// limit keys over all. A hook that fails would fail again in each block and keep every
// later window, so the window goes without what it left.
func (k *Keeper) pruneOthers(ctx context.Context, id, window uint64, limit int) (removed int, done bool, err error) {
	for _, h := range k.hooks {
		n, done := 0, false
		failed := k.attempt(ctx, "hook prunes a window", func(ctx context.Context) (err error) {
			n, done, err = h.PruneWindow(ctx, id, window, limit-removed)
			return err
		})
		if failed != nil {
			err := sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(&types.EventPruneFailed{Run: id, Window: window})
			if err != nil {
				return removed, false, err
			}
			continue
		}
		if removed += n; !done {
			return removed, false, nil
		}
	}
	return removed, true, nil
}

// pruneBeacons removes rounds older than those of every window that is kept, never
// the newest: fixRound asks for it. Opening rounds ascend with windows, so the
// first window of each run has its oldest round.
func (k *Keeper) pruneBeacons(ctx context.Context, runs []uint64, limit int) error {
	needed := uint64(math.MaxUint64)
	for _, id := range runs {
		run, err := k.GetRun(ctx, id)
		if err != nil {
			return err
		}
		if run.FirstWindow == run.NextWindow {
			continue
		}
		w, err := k.GetWindow(ctx, id, run.FirstWindow)
		if err != nil {
			return err
		}
		needed = min(needed, w.OpeningRound)
	}
	rounds, err := take(k.Beacons.Iterate(ctx, new(collections.Range[uint64]).EndExclusive(needed)))(limit + 1)
	if err != nil || len(rounds) == 0 {
		return err
	}
	// All of them are older than needed; one that is the newest of all comes last.
	for _, round := range rounds[:len(rounds)-1] {
		if err := k.Beacons.Remove(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

// take returns a function that reads the first n keys of an iterator and closes it.
func take[K, V any](it collections.Iterator[K, V], failed error) func(n int) ([]K, error) {
	return func(n int) (out []K, err error) {
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for ; it.Valid() && len(out) < n; it.Next() {
			key, err := it.Key()
			if err != nil {
				return nil, err
			}
			out = append(out, key)
		}
		return out, nil
	}
}
