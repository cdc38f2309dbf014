package keeper

import (
	"context"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// budget is what one block may still do, over all runs.
type budget struct {
	miners  uint32 // to settle
	credits uint32 // to expire
	frozen  bool   // a window was frozen
}

// minersPerFreeze is how many miners are frozen in the time in which one is settled.
const minersPerFreeze = 8

// freezeCost is what freezing a window takes of a block's budget, in miners settled.
func freezeCost(w challengetypes.Window) uint32 { return w.Miners/minersPerFreeze + w.Graders }

// EndBlock settles, in each run, the oldest open window once it is in SETTLING: so a
// window waits until all before it are CLOSED or VOID. A block settles miners of windows
// that are frozen, freezes further ones and settles theirs, over all runs together as much
// as max_settle_per_block miners cost; one window it freezes whatever that costs. So neither
// many windows nor many miners keep the others waiting. The run that comes first changes from
// block to block. A run that is over has nothing left here, see PruneWindow, and is not looked
// at. It never returns an error: a window that cannot be settled is VOID.
func (k *Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		k.logger(ctx).Error("settlement: parameters are not readable", "err", err)
		return nil
	}
	runs, err := k.challenge.LiveRuns(ctx)
	if err != nil {
		k.logger(ctx).Error("settlement: runs are not readable", "err", err)
		return nil
	}
	if len(runs) > 0 {
		first := uint64(sdk.UnwrapSDKContext(ctx).BlockHeight()) % uint64(len(runs))
		runs = slices.Concat(runs[first:], runs[:first])
	}
	left := budget{miners: params.MaxSettlePerBlock, credits: params.MaxSettlePerBlock}
	frozen, fresh := k.due(ctx, runs)
	for _, w := range frozen {
		k.orVoid(ctx, w, func(ctx context.Context) error { return k.settle(ctx, params, w, &left) })
	}
	for _, w := range fresh {
		k.orVoid(ctx, w, func(ctx context.Context) error { return k.freezeOnce(ctx, params, w, &left) })
	}
	for _, w := range fresh {
		k.orVoid(ctx, w, func(ctx context.Context) error { return k.settle(ctx, params, w, &left) })
	}
	for _, run := range runs {
		k.tidyRun(ctx, params, run, &left)
	}
	return nil
}

// due are the oldest open windows of the runs, those of them that are in SETTLING: frozen
// by a block before, or fresh.
func (k *Keeper) due(ctx context.Context, runs []uint64) (frozen, fresh []challengetypes.Window) {
	for _, run := range runs {
		open, err := k.challenge.OpenWindows(ctx, run)
		if err != nil {
			k.logger(ctx).Error("settlement: windows are not readable", "run", run, "err", err)
			continue
		}
		if len(open) == 0 || k.challenge.Stage(ctx, open[0]) != challengetypes.StageSettling {
			continue
		}
		switch has, err := k.Cursors.Has(ctx, collections.Join(open[0].Run, open[0].Id)); {
		case err != nil:
			k.logger(ctx).Error("settlement: a cursor is not readable", "run", run, "err", err)
		case has:
			frozen = append(frozen, open[0])
		default:
			fresh = append(fresh, open[0])
		}
	}
	return frozen, fresh
}

// orVoid does a step of a window's settlement. If that fails, the window is VOID.
func (k *Keeper) orVoid(ctx context.Context, w challengetypes.Window, step func(ctx context.Context) error) {
	if k.try(ctx, "a window", step) {
		return
	}
	k.try(ctx, "voiding a window", func(ctx context.Context) error {
		_, err := k.challenge.VoidWindow(ctx, w.Run, w.Id, voidFailed)
		return err
	})
}

// tidyRun does what needs no window in SETTLING.
func (k *Keeper) tidyRun(ctx context.Context, params types.Params, run uint64, left *budget) {
	k.try(ctx, "expiring credits", func(ctx context.Context) error { return k.expire(ctx, params, run, left) })
	k.try(ctx, "releasing an idle run", func(ctx context.Context) error { return k.releaseIdle(ctx, params, run) })
}

// freezeOnce freezes a fresh window, if the block has frozen none so far or not done too
// much: the consensus, the emission and all rows.
func (k *Keeper) freezeOnce(ctx context.Context, params types.Params, w challengetypes.Window, left *budget) error {
	cost := freezeCost(w)
	if cost > left.miners && left.frozen {
		return nil // in a later block
	}
	left.miners, left.frozen = left.miners-min(cost, left.miners), true
	cursor, err := k.freeze(ctx, params, w)
	if err != nil || cursor == nil { // nil: the window is VOID
		return err
	}
	return k.Cursors.Set(ctx, collections.Join(w.Run, w.Id), *cursor)
}

// settle goes on with a frozen window: each block settles some miners, the last one
// closes it.
func (k *Keeper) settle(ctx context.Context, params types.Params, w challengetypes.Window, left *budget) error {
	key := collections.Join(w.Run, w.Id)
	cursor, frozen, err := orZero(k.Cursors.Get(ctx, key))
	if err != nil || !frozen || left.miners == 0 && cursor.Next < cursor.Miners { // nothing to do, or in a later block
		return err
	}
	if left.miners, err = k.settleMiners(ctx, params, w, &cursor, left.miners); err != nil {
		return err
	}
	if cursor.Next < cursor.Miners {
		return k.Cursors.Set(ctx, key, cursor)
	}
	return k.close(ctx, params, w, cursor)
}
