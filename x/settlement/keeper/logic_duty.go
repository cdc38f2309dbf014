package keeper

import (
	"context"
	"errors"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// remember adds a window to the missed ones and forgets those that are not among the
// last span windows any more.
func remember(missed []uint64, window uint64, span uint32) []uint64 {
	missed = slices.DeleteFunc(missed, func(w uint64) bool { return w <= window && window-w >= uint64(span) })
	if len(missed) == 0 || missed[len(missed)-1] < window {
		missed = append(missed, window)
	}
	return missed
}

// missReveal counts a grader's missed reveal of window w. Beyond max_missed_reveals
// within duty_window it is suspended, and its count starts anew.
func (k *Keeper) missReveal(ctx context.Context, params types.Params, w challengetypes.Window, operator string, addr sdk.ValAddress) error {
	key := collections.Join(w.Run, addr)
	duty, err := k.GraderDuties.Get(ctx, key)
	if errors.Is(err, collections.ErrNotFound) {
		duty, err = types.GraderDuty{Run: w.Run, Grader: operator}, nil
	}
	if err != nil {
		return err
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
	duty, err := k.MinerDuties.Get(ctx, key)
	if errors.Is(err, collections.ErrNotFound) {
		duty, err = types.MinerDuty{Run: w.Run, Miner: miner}, nil
	}
	if err != nil {
		return false, err
	}
	duty.Missed = remember(duty.Missed, w.Id, params.DutyWindow)
	if uint64(len(duty.Missed)) >= uint64(params.MaxUnavailable) {
		return true, k.MinerDuties.Remove(ctx, key)
	}
	return false, k.MinerDuties.Set(ctx, key, duty)
}

// GraderSuspended reports whether a grader that missed its duty may not be frozen into
// window.
func (k *Keeper) GraderSuspended(ctx context.Context, run, window uint64, grader sdk.ValAddress) (bool, error) {
	duty, err := k.GraderDuties.Get(ctx, collections.Join(run, grader))
	if errors.Is(err, collections.ErrNotFound) {
		return false, nil
	}
	return duty.SuspendedUntilWindow > window, err
}
