package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// maxReleasePerBlock bounds how many windows' bonds one settled window releases. It is
// one as a rule; more only after evidence_windows was lowered.
const maxReleasePerBlock = 8

// close ends a window whose miners are all settled: what is left of its emission goes
// to the community pool.
func (k *Keeper) close(ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor) error {
	closed, err := k.challenge.CloseWindow(ctx, w.Run, w.Id)
	if err != nil {
		return err
	}
	if err := k.finish(ctx, params, closed, cursor); err != nil {
		return err
	}
	totals, err := k.RunTotals(ctx, w.Run)
	if err != nil {
		return err
	}
	mean, err := types.ToAmount(totals.MeanPayPerGroup)
	if err != nil {
		return err
	}
	paid, err := types.ToAmount(cursor.Paid)
	if err != nil {
		return err
	}
	if mean, err = consensus.MeanPay(mean, paid, cursor.Result.OkGroups); err != nil {
		return err
	}
	totals.MeanPayPerGroup = types.FromAmount(mean)
	if err := k.Totals.Set(ctx, w.Run, totals); err != nil {
		return err
	}
	return k.settled(ctx, params, w.Run)
}

// finish mints for the blocks that the window came to own since the cursor's emission
// was minted, gives the rest to the community pool, and writes the result.
func (k *Keeper) finish(ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor) error {
	result := cursor.Result
	result.Miners = cursor.Paid
	rest, err := cursor.Unspent()
	if err != nil {
		return err
	}
	if w.EmissionEnd > cursor.EmissionEnd {
		more, err := k.mint(ctx, params, w, cursor.EmissionEnd, w.EmissionEnd)
		if err != nil {
			return err
		}
		if rest, err = types.Sum(rest, types.FromAmount(more)); err != nil {
			return err
		}
		if result.Minted, err = types.Sum(result.Minted, types.FromAmount(more)); err != nil {
			return err
		}
	}
	if err := k.fundPool(ctx, rest); err != nil {
		return err
	}
	result.Pool = rest
	result.Height = sdk.UnwrapSDKContext(ctx).BlockHeight()
	if err := result.Balanced(); err != nil {
		return err
	}
	if err := k.Cursors.Remove(ctx, collections.Join(w.Run, w.Id)); err != nil {
		return err
	}
	return k.record(ctx, result)
}

// record writes a window's result and adds what it minted to the run's totals.
func (k *Keeper) record(ctx context.Context, result types.WindowResult) error {
	if err := k.WindowResults.Set(ctx, collections.Join(result.Run, result.Window), result); err != nil {
		return err
	}
	totals, err := k.RunTotals(ctx, result.Run)
	if err != nil {
		return err
	}
	if err := totals.Add(result); err != nil {
		return err
	}
	if err := k.Totals.Set(ctx, result.Run, totals); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventWindowSettled{
		Run: result.Run, Window: result.Window, Minted: result.Minted.String(), Miners: result.Miners.String(),
		Graders: result.Graders.String(), Learner: result.Learner.String(), Validators: result.Validators.String(),
		Pool: result.Pool.String(), Void: result.Void,
	})
}

// settled moves the count of settled windows over all that are CLOSED or VOID without
// a gap, and releases the bonds and prunes the verdicts of windows that
// evidence_windows further ones followed.
func (k *Keeper) settled(ctx context.Context, params types.Params, run uint64) error {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	before := totals.SettledWindows
	// Windows become VOID out of order, so one settled window can complete a row of
	// them; there are never more than max_open_windows.
	for {
		w, err := k.challenge.GetWindow(ctx, run, totals.SettledWindows)
		if err != nil || !w.Done() {
			break // not there yet, or open
		}
		totals.SettledWindows++
	}
	if totals.SettledWindows > before {
		totals.SettledHeight = sdk.UnwrapSDKContext(ctx).BlockHeight()
	}
	// A window answers for evidence_windows more.
	k.release(ctx, &totals, totals.SettledWindows-min(totals.SettledWindows, uint64(params.EvidenceWindows)))
	return k.Totals.Set(ctx, run, totals)
}

// release releases the bonds and drops the verdicts of the windows before end, at most
// maxReleasePerBlock of them.
func (k *Keeper) release(ctx context.Context, totals *types.RunTotals, end uint64) {
	run := totals.Run
	for n := 0; n < maxReleasePerBlock && totals.ReleasedWindows < end; n++ {
		window := totals.ReleasedWindows
		// A window that cannot be released must not keep all later bonds locked.
		k.try(ctx, "releasing bonds", func(ctx context.Context) error { return k.registry.ReleaseWindow(ctx, run, window) })
		k.try(ctx, "dropping verdicts", func(ctx context.Context) error { return k.dropVerdicts(ctx, run, window) })
		totals.ReleasedWindows++
	}
}

// dropVerdicts drops the hashes and reveals of a window; its results stay.
func (k *Keeper) dropVerdicts(ctx context.Context, run, window uint64) error {
	if err := k.Commits.Clear(ctx, ofWindow[sdk.ValAddress](run, window)); err != nil {
		return err
	}
	if err := k.Reveals.Clear(ctx, ofWindow[sdk.ValAddress](run, window)); err != nil {
		return err
	}
	return k.Rosters.Remove(ctx, collections.Join(run, window))
}

// BondPerGroup is what a group committed from now on locks: bond_multiple times the
// trailing mean pay per group of the run, at least floor.
func (k *Keeper) BondPerGroup(ctx context.Context, run uint64, floor sdkmath.Int) (sdkmath.Int, error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return floor, err
	}
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return floor, err
	}
	mean, err := types.ToAmount(totals.MeanPayPerGroup)
	if err != nil {
		return floor, err
	}
	least, err := types.ToAmount(floor)
	if err != nil {
		return floor, err
	}
	bond, err := consensus.BondPerGroup(mean, least, params.BondMultiple)
	if err != nil {
		return floor, err
	}
	return types.FromAmount(bond), nil
}
