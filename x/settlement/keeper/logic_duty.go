package keeper

import (
	"context"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// remember adds a window to the missed ones, which ascend, and forgets those that are
// not among the last span windows any more.
func remember(missed []uint64, window uint64, span uint32) []uint64 {
	missed = slices.DeleteFunc(missed, func(w uint64) bool { return w <= window && window-w >= uint64(span) })
	if at, found := slices.BinarySearch(missed, window); !found {
		missed = slices.Insert(missed, at, window)
	}
	return missed
}

// countDuty counts a window for a grader: its reveal counted, or it missed it. Beyond
// max_missed_reveals within duty_window it is suspended, and its count starts anew.
func (k *Keeper) countDuty(
	ctx context.Context, params types.Params, w challengetypes.Window, operator string, addr sdk.ValAddress, revealed bool,
) error {
	key := collections.Join(w.Run, addr)
	duty, _, err := orZero(k.GraderDuties.Get(ctx, key))
	if err != nil {
		return err
	}
	duty.Run, duty.Grader, duty.LastWindow = w.Run, operator, w.Id
	duty.Windows++
	if revealed {
		duty.Revealed++
		return k.GraderDuties.Set(ctx, key, duty)
	}
	duty.Missed = remember(duty.Missed, w.Id, params.DutyWindow)
	if uint64(len(duty.Missed)) > uint64(params.MaxMissedReveals) {
		duty.Missed = nil
		duty.SuspendedUntilWindow = max(duty.SuspendedUntilWindow, w.Id+1+uint64(params.GraderSuspensionWindows))
		if err := k.emit(ctx, &types.EventGraderSuspended{
			Run: w.Run, Grader: operator, UntilWindow: duty.SuspendedUntilWindow,
		}); err != nil {
			return err
		}
	}
	return k.GraderDuties.Set(ctx, key, duty)
}

// missBatch counts a window in which a miner was unavailable and reports whether it is
// the max_unavailable-th within duty_window; then its count starts anew.
func (k *Keeper) missBatch(ctx context.Context, params types.Params, w challengetypes.Window, miner string, addr sdk.AccAddress) (bool, error) {
	key := collections.Join(w.Run, addr)
	duty, _, err := orZero(k.MinerDuties.Get(ctx, key))
	if err != nil {
		return false, err
	}
	duty.Run, duty.Miner = w.Run, miner
	duty.Missed = remember(duty.Missed, w.Id, params.DutyWindow)
	last := uint64(len(duty.Missed)) >= uint64(params.MaxUnavailable)
	if last {
		duty.Missed = nil
	}
	return last, k.setMinerDuty(ctx, key, duty)
}

// costsBond reports whether a hard failure of window w costs the bond: always, but for
// the checks of the model in tolerant mode, whose failures it counts.
func (k *Keeper) costsBond(
	ctx context.Context, params types.Params, w challengetypes.Window, miner string, addr sdk.AccAddress, code verify.Code,
) (bool, error) {
	tolerant := w.Params.EngineMode == challengetypes.EngineMode_ENGINE_MODE_TOLERANT
	failures := 0
	if tolerant && consensus.OfModel(code) {
		key := collections.Join(w.Run, addr)
		duty, _, err := orZero(k.MinerDuties.Get(ctx, key))
		if err != nil {
			return false, err
		}
		duty.Run, duty.Miner = w.Run, miner
		duty.Failed = remember(duty.Failed, w.Id, params.DutyWindow)
		failures = len(duty.Failed)
		if err := k.setMinerDuty(ctx, key, duty); err != nil {
			return false, err
		}
	}
	return consensus.HardPenalty(tolerant, code, uint32(failures), params.MaxTolerantFailures), nil
}

func (k *Keeper) setMinerDuty(ctx context.Context, key collections.Pair[uint64, sdk.AccAddress], duty types.MinerDuty) error {
	if len(duty.Missed) == 0 && len(duty.Failed) == 0 {
		return k.MinerDuties.Remove(ctx, key)
	}
	return k.MinerDuties.Set(ctx, key, duty)
}

// GraderSuspended reports whether a grader that missed its duty may not be frozen into
// window.
func (k *Keeper) GraderSuspended(ctx context.Context, run, window uint64, grader sdk.ValAddress) (bool, error) {
	duty, _, err := orZero(k.GraderDuties.Get(ctx, collections.Join(run, grader)))
	return duty.SuspendedUntilWindow > window, err
}
