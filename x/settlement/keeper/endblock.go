package keeper

import (
	"context"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// budget is what one block may still do, over all runs.
type budget struct {
	miners  uint32 // to settle
	freezes uint32 // of windows
	credits uint32 // to expire
}

// EndBlock settles, in each run, the oldest open window once it is in SETTLING: so a
// window waits until all before it are CLOSED or VOID. Over all runs a block freezes at
// most one window and settles at most max_settle_per_block miners; the run that comes
// first changes from block to block. It never returns an error: a window that cannot be
// settled is VOID.
func (k *Keeper) EndBlock(ctx context.Context) error {
	params, err := k.Params.Get(ctx)
	if err != nil {
		k.logger(ctx).Error("settlement: parameters are not readable", "err", err)
		return nil
	}
	runs, err := k.challenge.RunIDs(ctx)
	if err != nil {
		k.logger(ctx).Error("settlement: runs are not readable", "err", err)
		return nil
	}
	left := budget{miners: params.MaxSettlePerBlock, freezes: 1, credits: params.MaxSettlePerBlock}
	for i := range runs {
		at := (uint64(sdk.UnwrapSDKContext(ctx).BlockHeight()) + uint64(i)) % uint64(len(runs))
		k.settleRun(ctx, params, runs[at], &left)
		k.tidyRun(ctx, params, runs[at], &left)
	}
	return nil
}

// settleRun goes on with a run's oldest open window.
func (k *Keeper) settleRun(ctx context.Context, params types.Params, run uint64, left *budget) {
	open, err := k.challenge.OpenWindows(ctx, run)
	if err != nil {
		k.logger(ctx).Error("settlement: windows are not readable", "run", run, "err", err)
		return
	}
	if len(open) == 0 || k.challenge.Stage(ctx, open[0]) != challengetypes.StageSettling {
		return
	}
	w := open[0]
	if k.try(ctx, "a window", func(ctx context.Context) (err error) { return k.settle(ctx, params, w, left) }) {
		return
	}
	k.try(ctx, "voiding a window", func(ctx context.Context) error {
		_, err := k.challenge.VoidWindow(ctx, run, w.Id, voidFailed)
		return err
	})
}

// tidyRun does what needs no window in SETTLING.
func (k *Keeper) tidyRun(ctx context.Context, params types.Params, run uint64, left *budget) {
	k.try(ctx, "expiring credits", func(ctx context.Context) error { return k.expire(ctx, params, run, left) })
	k.try(ctx, "releasing an idle run", func(ctx context.Context) error { return k.releaseIdle(ctx, params, run) })
}

// settle goes on with a window in SETTLING: its first block freezes the consensus,
// the emission and all rows, each block settles some miners, the last one closes it.
func (k *Keeper) settle(ctx context.Context, params types.Params, w challengetypes.Window, left *budget) error {
	key := collections.Join(w.Run, w.Id)
	cursor, frozen, err := orZero(k.Cursors.Get(ctx, key))
	if err != nil {
		return err
	}
	if !frozen {
		if left.freezes == 0 {
			return nil
		}
		left.freezes--
		c, err := k.freeze(ctx, params, w)
		if err != nil || c == nil { // nil: the window is VOID
			return err
		}
		cursor = *c
	}
	if left.miners, err = k.settleMiners(ctx, params, w, &cursor, left.miners); err != nil {
		return err
	}
	if cursor.Next < cursor.Miners {
		return k.Cursors.Set(ctx, key, cursor)
	}
	return k.close(ctx, params, w, cursor)
}
