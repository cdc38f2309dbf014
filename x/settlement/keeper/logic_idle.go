package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// releaseIdle lets go of a run that stopped. Bonds and credits wait for further windows;
// where none follow they would wait for ever. After idle_release_blocks without an open
// window they are released as if enough windows had passed.
func (k *Keeper) releaseIdle(ctx context.Context, params types.Params, run uint64) error {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	// A window counts as settled when it ends, or with the next that does. The last of a run has no next one to make up for a
	// hook that failed.
	if w, err := k.challenge.GetWindow(ctx, run, totals.SettledWindows); err == nil && w.Done() {
		if err := k.settled(ctx, params, run); err != nil {
			return err
		}
		if totals, err = k.RunTotals(ctx, run); err != nil {
			return err
		}
	}
	if totals.ReleasedWindows >= totals.SettledWindows && totals.UnlockedWindows >= totals.SettledWindows {
		return nil
	}
	idle := sdk.UnwrapSDKContext(ctx).BlockHeight() - totals.SettledHeight
	if idle < 0 || uint64(idle) < params.IdleReleaseBlocks {
		return nil
	}
	r, err := k.challenge.GetRun(ctx, run)
	if err != nil {
		return err
	}
	open, err := k.challenge.OpenWindows(ctx, run)
	if err != nil || r.Status == challengetypes.RunStatus_RUN_STATUS_ACTIVE || len(open) > 0 {
		return err
	}
	if totals.UnlockedWindows < totals.SettledWindows {
		totals.UnlockedWindows = totals.SettledWindows
		if err := k.emit(ctx, &types.EventRunIdle{Run: run, Windows: totals.SettledWindows}); err != nil {
			return err
		}
	}
	k.release(ctx, &totals, totals.SettledWindows)
	return k.Totals.Set(ctx, run, totals)
}
