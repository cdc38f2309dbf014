package keeper

import (
	"context"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/challenge/types"
)

// BeginBlock begins the stages that begin at this height: it fixes the audit
// round of windows whose COMMIT ended with the block before, and opens and
// freezes the windows that are due.
//
// It does so before the block's transactions because block time is when the
// block before was precommitted. If the chain halts between two blocks, the
// round that follows from that time may be public when the next block is made,
// so nothing in that block may enter what is frozen here.
//
// A step that fails is logged and tried again in the next block; the error
// returned is only ever that of a store that cannot be read.
func (k *Keeper) BeginBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	runs, err := k.liveRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		_ = k.attempt(ctx, "begin stages", func(ctx context.Context) error { return k.beginStages(ctx, params, run) })
		_ = k.attempt(ctx, "open a window", func(ctx context.Context) error { return k.openNext(ctx, params, run) })
	}
	return nil
}

// beginStages seals the windows of a run whose COMMIT has ended and tells of
// those whose REVEAL or SETTLING begins.
func (k *Keeper) beginStages(ctx context.Context, params types.Params, run uint64) error {
	sdkCtx := sdk.UnwrapSDKContext(ctx)
	windows, err := k.OpenWindows(ctx, run)
	if err != nil {
		return err
	}
	for _, w := range windows {
		var err error
		switch height := sdkCtx.BlockHeight(); {
		case types.StageAt(w, height) == types.StageSealed && w.AuditRound == 0:
			err = k.attempt(ctx, "seal a window", func(ctx context.Context) error { return k.seal(ctx, params, w) })
		case w.AuditStart != 0 && w.AuditEnd == height:
			err = sdkCtx.EventManager().EmitTypedEvent(&types.EventRevealStarted{Run: run, Window: w.Id})
		case w.AuditStart != 0 && w.RevealEnd == height:
			err = sdkCtx.EventManager().EmitTypedEvent(&types.EventSettlingStarted{Run: run, Window: w.Id})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// EndBlock declares the windows VOID whose beacon round did not arrive in time.
// A round that arrived in this block counts. Then it prunes, and returns the deposits of
// runs that are closed and have no window left. Like BeginBlock it goes on after a step
// that fails.
func (k *Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	runs, err := k.liveRuns(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		windows, err := k.OpenWindows(ctx, run)
		if err != nil {
			return err
		}
		for _, w := range windows {
			_ = k.attempt(ctx, "expire a window", func(ctx context.Context) error { return k.expire(ctx, params, w) })
		}
	}
	k.prune(ctx, params, runs)
	for _, run := range runs {
		_ = k.attempt(ctx, "return a deposit", func(ctx context.Context) error { return k.returnDeposit(ctx, run) })
	}
	return nil
}
