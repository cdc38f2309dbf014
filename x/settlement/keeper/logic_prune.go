package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// PruneWindow forgets a window that x/challenge drops: its rows, its result, its
// penalties, and of each of its miners and graders what nothing newer keeps alive. It
// removes about limit entries at most and returns how many it did, and whether the
// window is gone. A window whose bonds are not released, or whose missed duties count for
// a window to come, stays: done is false. So does a run's last one while credits wait to
// expire: x/challenge calls a run without a window over, and EndBlock does nothing more
// for it. Other credits stay until they are claimed.
func (k *Keeper) PruneWindow(ctx context.Context, run, window uint64, limit int) (removed int, done bool, err error) {
	totals, err := k.RunTotals(ctx, run)
	if err != nil || window >= totals.ReleasedWindows {
		return 0, false, err
	}
	if counts, err := k.dutiesCount(ctx, totals, window); err != nil || counts {
		return 0, false, err
	}
	if window+1 >= totals.SettledWindows {
		if waits, err := k.creditsExpire(ctx, totals); err != nil || waits {
			return 0, false, err
		}
	}
	for _, step := range []func(ctx context.Context, run, window uint64, limit int) (int, error){
		k.pruneMiners, k.pruneGraders, k.pruneSlashes,
	} {
		n, err := step(ctx, run, window, limit-removed)
		if removed += n; err != nil || removed >= limit {
			return removed, false, err
		}
	}
	return removed + 1, true, k.WindowResults.Remove(ctx, collections.Join(run, window))
}

// dutiesCount reports whether a duty that was missed in window counts for the next one to
// settle. A closed run has none after those that are open.
func (k *Keeper) dutiesCount(ctx context.Context, totals types.RunTotals, window uint64) (bool, error) {
	params, err := k.Params.Get(ctx)
	if err != nil || window+uint64(params.DutyWindow) <= totals.SettledWindows {
		return false, err
	}
	run, err := k.challenge.GetRun(ctx, totals.Run)
	return run.Status != challengetypes.RunStatus_RUN_STATUS_CLOSED, err
}

// firstKeys are the first keys of a range, at most limit.
func firstKeys[K, V any](ctx context.Context, m collections.Map[K, V], in collections.Ranger[K], limit int) (keys []K, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = m.Walk(ctx, in, func(key K, _ V) (bool, error) {
		keys = append(keys, key)
		return len(keys) >= limit, nil
	})
	return keys, err
}

// pruneMiners drops miners' rows. Whom no later window froze leaves nothing behind: its
// score, its duties and its marker go, too.
func (k *Keeper) pruneMiners(ctx context.Context, run, window uint64, limit int) (int, error) {
	rows, err := firstKeys(ctx, k.MinerResults, ofWindow[sdk.AccAddress](run, window), limit)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		if err := k.MinerResults.Remove(ctx, row); err != nil {
			return 0, err
		}
		if err := k.forgetMiner(ctx, collections.Join(run, row.K3()), window); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

func (k *Keeper) forgetMiner(ctx context.Context, key collections.Pair[uint64, sdk.AccAddress], window uint64) error {
	score, ok, err := orZero(k.MinerScores.Get(ctx, key))
	if err != nil {
		return err
	}
	if ok && score.Window <= window {
		if err := k.MinerScores.Remove(ctx, key); err != nil {
			return err
		}
	}
	duty, ok, err := orZero(k.MinerDuties.Get(ctx, key))
	if err != nil {
		return err
	}
	if ok && last(duty.Missed) <= window && last(duty.Failed) <= window {
		if err := k.MinerDuties.Remove(ctx, key); err != nil {
			return err
		}
	}
	marker, ok, err := orZero(k.SlashMarkers.Get(ctx, key))
	if err != nil || !ok || marker.ToWindow > window+1 {
		return err
	}
	return k.SlashMarkers.Remove(ctx, key)
}

func last(windows []uint64) uint64 {
	if len(windows) == 0 {
		return 0
	}
	return windows[len(windows)-1]
}

// pruneGraders drops graders' rows, and the duties of those that no later window froze
// and that are not suspended.
func (k *Keeper) pruneGraders(ctx context.Context, run, window uint64, limit int) (int, error) {
	rows, err := firstKeys(ctx, k.GraderResults, ofWindow[sdk.ValAddress](run, window), limit)
	if err != nil {
		return 0, err
	}
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		if err := k.GraderResults.Remove(ctx, row); err != nil {
			return 0, err
		}
		key := collections.Join(run, row.K3())
		duty, ok, err := orZero(k.GraderDuties.Get(ctx, key))
		if err != nil {
			return 0, err
		}
		if ok && duty.LastWindow <= window && duty.SuspendedUntilWindow <= totals.SettledWindows {
			if err := k.GraderDuties.Remove(ctx, key); err != nil {
				return 0, err
			}
		}
	}
	return len(rows), nil
}

func (k *Keeper) pruneSlashes(ctx context.Context, run, window uint64, limit int) (int, error) {
	records, err := firstKeys(ctx, k.SlashRecords, slashesOfWindow(run, window), limit)
	if err != nil {
		return 0, err
	}
	for _, key := range records {
		if err := k.SlashRecords.Remove(ctx, key); err != nil {
			return 0, err
		}
	}
	return len(records), nil
}
