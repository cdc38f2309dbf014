package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// EndBlock settles, in each run, the oldest open window once it is in SETTLING: so a
// window waits until all before it are CLOSED or VOID. At most max_settle_per_block
// miners are settled in a block, over all runs in the order of their ids. It never
// returns an error: a window that cannot be settled is VOID.
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
	budget := params.MaxSettlePerBlock
	for _, run := range runs {
		if budget == 0 {
			break
		}
		budget -= min(k.settleRun(ctx, params, run, budget), budget)
	}
	return nil
}

// settleRun settles at most budget miners of a run and returns how many it settled.
func (k *Keeper) settleRun(ctx context.Context, params types.Params, run uint64, budget uint32) (settled uint32) {
	open, err := k.challenge.OpenWindows(ctx, run)
	if err != nil {
		k.logger(ctx).Error("settlement: windows are not readable", "run", run, "err", err)
		return 0
	}
	if len(open) == 0 || k.challenge.Stage(ctx, open[0]) != challengetypes.StageSettling {
		return 0
	}
	w := open[0]
	if k.try(ctx, "a window", func(ctx context.Context) (err error) {
		settled, err = k.settle(ctx, params, w, budget)
		return err
	}) {
		return settled
	}
	k.try(ctx, "voiding a window", func(ctx context.Context) error {
		_, err := k.challenge.VoidWindow(ctx, run, w.Id, voidFailed)
		return err
	})
	return settled
}

// settle goes on with a window in SETTLING: its first block freezes the consensus,
// the emission and all rows, each block settles some miners, the last one closes it.
func (k *Keeper) settle(ctx context.Context, params types.Params, w challengetypes.Window, budget uint32) (uint32, error) {
	miners, err := k.miners(ctx, w)
	if err != nil {
		return 0, err
	}
	cursor, err := k.Cursors.Get(ctx, collections.Join(w.Run, w.Id))
	switch {
	case errors.Is(err, collections.ErrNotFound):
		frozen, err := k.freeze(ctx, params, w, miners)
		if err != nil || frozen == nil { // nil: the window is VOID
			return 0, err
		}
		cursor = *frozen
	case err != nil:
		return 0, err
	}
	var settled uint32
	for ; settled < budget && uint64(cursor.Next) < uint64(len(miners)); settled++ {
		if err := k.settleNext(ctx, params, w, &cursor, miners[cursor.Next]); err != nil {
			return settled, err
		}
	}
	if uint64(cursor.Next) < uint64(len(miners)) {
		return settled, k.Cursors.Set(ctx, collections.Join(w.Run, w.Id), cursor)
	}
	return settled, k.close(ctx, params, w, cursor)
}
