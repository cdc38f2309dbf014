package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// Reasons for which this module declares a window VOID.
const (
	ReasonOpeningTimeout = "the beacon round that opens the window did not arrive in time"
	ReasonAuditTimeout   = "the beacon round that draws the audit did not arrive in time"
)

// fixRound is the round that the current block fixes: later than every round
// that can be public at the block's time, given the skew of clocks. Block time is
// when the block before was precommitted, so when it was set the contents of all
// blocks before this one were decided; however long the chain halted in between,
// the round was not public then. If clocks lag by more than the skew, the chain
// may have seen a later round already: then nothing is fixed (ErrRoundDone) and
// the step is tried again in the next block.
func (k *Keeper) fixRound(ctx context.Context, params types.Params) (round uint64, err error) {
	round = params.NextRound(sdk.UnwrapSDKContext(ctx).BlockTime())
	it, err := k.Beacons.Iterate(ctx, new(collections.Range[uint64]).Descending())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Valid() {
		return round, nil
	}
	seen, err := it.Key()
	if err != nil {
		return 0, err
	}
	if round <= seen {
		return 0, types.ErrRoundDone.Wrapf("round %d is due, but round %d is on the chain: block time lags", round, seen)
	}
	return round, nil
}

// seal fixes the audit round of a window whose COMMIT has ended.
func (k *Keeper) seal(ctx context.Context, params types.Params, w types.Window) error {
	round, err := k.fixRound(ctx, params)
	if err != nil {
		return err
	}
	w.AuditRound = round
	if err := k.setWindow(ctx, w); err != nil {
		return err
	}
	return sdk.UnwrapSDKContext(ctx).EventManager().EmitTypedEvent(
		&types.EventWindowSealed{Run: w.Run, Window: w.Id, Round: round})
}

// openNext opens the next window of an active run if OpeningDue says so, or pauses the
// run if its learner is late. In the block that seals window w-1 of a pipelined run
// window w thus gets the very round that w-1 got, one round for two uses; after a VOID
// or a wait it gets a fresh one.
func (k *Keeper) openNext(ctx context.Context, params types.Params, id uint64) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	height := sdkCtx.BlockHeight()
	run, err := k.GetRun(ctx, id)
	if err != nil {
		return err
	}
	if run.Status != types.RunStatus_RUN_STATUS_ACTIVE {
		return nil
	}
	if k.policy == nil {
		return types.ErrNotWired
	}
	open, err := k.OpenWindows(ctx, id)
	if err != nil {
		return err
	}
	var prev types.Window
	if run.NextWindow > 0 {
		if prev, err = k.GetWindow(ctx, id, run.NextWindow-1); err != nil {
			return err
		}
	}
	_, active, err := k.policy.ActiveCheckpoint(ctx, id)
	if err != nil {
		return err
	}
	if !types.OpeningDue(run, open, prev, active, height) {
		return nil
	}
	if run.NextWindow > 0 && active != prev.CheckpointVersion {
		run.StaleSinceWindow = run.NextWindow
	}
	if run.LearnerLate() {
		return k.pauseRun(ctx, run, ReasonLearnerTimeout)
	}
	round, err := k.fixRound(ctx, params)
	if err != nil {
		return err
	}
	w := types.Window{
		Run:           id,
		Id:            run.NextWindow,
		FreezeHeight:  height,
		OpeningRound:  round,
		Params:        run.Params.At(run.NextWindow),
		BondPerGroup:  sdkmath.ZeroInt(),
		EligibleStake: sdkmath.ZeroInt(),
	}
	if w.Params.EmissionSharePpm, err = k.shareLeft(ctx, id, run.Params.EmissionSharePpm); err != nil {
		return err
	}
	if err := k.freeze(ctx, params, &w); err != nil {
		return err
	}
	// The window before hands over the emission of the blocks from here on.
	if w.Id > 0 && prev.EmissionEnd == 0 {
		prev.EmissionEnd = height
		run.EmissionNext = height
		if err := k.setWindow(ctx, prev); err != nil {
			return err
		}
	}
	// Others left room for no more than the last window's share in the blocks since.
	if run.EmissionNext == 0 || w.Params.EmissionSharePpm > prev.Params.EmissionSharePpm {
		run.EmissionNext = height
	}
	w.EmissionStart = run.EmissionNext
	run.NextWindow++
	if err := k.setRun(ctx, run); err != nil {
		return err
	}
	if err := k.setWindow(ctx, w); err != nil {
		return err
	}
	return sdkCtx.EventManager().EmitTypedEvent(&types.EventWindowOpening{
		Run: id, Window: w.Id, Round: w.OpeningRound,
		CheckpointVersion: w.CheckpointVersion, Miners: w.Miners, Graders: w.Graders,
	})
}

// expire declares a window VOID whose round did not arrive in time.
func (k *Keeper) expire(ctx context.Context, params types.Params, w types.Window) error {
	height, timeout := sdk.UnwrapSDKContext(ctx).BlockHeight(), int64(params.Beacon.TimeoutBlocks)
	switch {
	case w.WaitsForOpening() && height >= w.FreezeHeight+timeout:
		_, err := k.VoidWindow(ctx, w.Run, w.Id, ReasonOpeningTimeout)
		return err
	case types.StageAt(w, height) == types.StageSealed && w.AuditStart == 0 && height >= w.CommitEnd+timeout:
		_, err := k.VoidWindow(ctx, w.Run, w.Id, ReasonAuditTimeout)
		return err
	}
	return nil
}

// CloseWindow ends a window that settlement has paid; it is CLOSED from the next
// block on. It returns the window with its emission range final. Errors:
// ErrWindowNotFound, ErrWindowDone, ErrWrongStage (not in SETTLING).
func (k *Keeper) CloseWindow(ctx context.Context, run, window uint64) (types.Window, error) {
	w, err := k.GetWindow(ctx, run, window)
	if err != nil {
		return w, err
	}
	if w.Done() {
		return w, types.ErrWindowDone.Wrapf("window %d of run %d", window, run)
	}
	if s := k.Stage(ctx, w); s != types.StageSettling {
		return w, types.ErrWrongStage.Wrapf("window %d of run %d is in %s, not SETTLING", window, run, s.Short())
	}
	if err := k.share(ctx, &w); err != nil {
		return w, err
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	w.ClosedHeight = sdkCtx.BlockHeight()
	if err := k.finish(ctx, &w); err != nil {
		return w, err
	}
	return w, sdkCtx.EventManager().EmitTypedEvent(&types.EventWindowClosed{Run: run, Window: window})
}

// share gives a window that is about to close what its swarm has for it, and offers it to the swarms of others.
func (k *Keeper) share(ctx context.Context, w *types.Window) error {
	run, err := k.GetRun(ctx, w.Run)
	if err != nil {
		return err
	}
	var newest []types.Window
	for _, id := range w.Params.Recipe.SwarmRuns {
		other, err := k.GetRun(ctx, id)
		if errors.Is(err, types.ErrRunNotFound) || err == nil && other.ClosedWindows == 0 {
			continue
		}
		if err != nil {
			return err
		}
		closed, err := k.GetWindow(ctx, id, other.ClosedWindows-1)
		if errors.Is(err, types.ErrWindowNotFound) {
			continue // pruned
		}
		if err != nil {
			return err
		}
		newest = append(newest, closed)
	}
	w.Shared, run.Taken = w.Share(run.Taken, newest)
	run.ClosedWindows = w.Id + 1
	return k.setRun(ctx, run)
}

// VoidWindow ends a window without pay or slash; it is VOID from the next block
// on. It returns the window with its emission range final, after each
// hook ran on a branch of the state: one that fails leaves no trace and the window is
// VOID all the same. Errors: ErrWindowNotFound, ErrWindowDone.
func (k *Keeper) VoidWindow(ctx context.Context, run, window uint64, reason string) (types.Window, error) {
	w, err := k.GetWindow(ctx, run, window)
	if err != nil {
		return w, err
	}
	if w.Done() {
		return w, types.ErrWindowDone.Wrapf("window %d of run %d", window, run)
	}
	if reason == "" {
		reason = "no reason given"
	}
	// A VOID window gives the learner nothing to learn from: its timeout does not count it.
	r, err := k.GetRun(ctx, run)
	if err != nil {
		return w, err
	}
	if r.StaleSinceWindow < r.NextWindow {
		r.StaleSinceWindow++
		if err := k.setRun(ctx, r); err != nil {
			return w, err
		}
	}
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	w.VoidHeight, w.VoidReason = sdkCtx.BlockHeight(), reason
	if err := k.finish(ctx, &w); err != nil {
		return w, err
	}
	if err := sdkCtx.EventManager().EmitTypedEvent(&types.EventWindowVoid{Run: run, Window: window, Reason: reason}); err != nil {
		return w, err
	}
	for _, h := range k.hooks {
		// attempt logs the error; the window is VOID whatever its hooks do.
		_ = k.attempt(ctx, "hook after a void window", func(ctx context.Context) error { return h.AfterWindowVoid(ctx, w) })
	}
	return w, nil
}

// finish stores a window that has just ended. If no later window took over the
// emission yet, its own ends with this block.
func (k *Keeper) finish(ctx context.Context, w *types.Window) error {
	if w.EmissionEnd == 0 {
		w.EmissionEnd = sdk.UnwrapSDKContext(ctx).BlockHeight() + 1
		run, err := k.GetRun(ctx, w.Run)
		if err != nil {
			return err
		}
		run.EmissionNext = w.EmissionEnd
		if err := k.setRun(ctx, run); err != nil {
			return err
		}
	}
	return k.setWindow(ctx, *w)
}
