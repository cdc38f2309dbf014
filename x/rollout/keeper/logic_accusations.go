package keeper

import (
	"context"
	"errors"
	"slices"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/rollout/types"
)

// judgeWindow is the window that judges what is accused now: the newest whose audit
// is not drawn yet and whose mandatory set is therefore open, OPENING or COMMIT, else
// the one that opens next.
func (k *Keeper) judgeWindow(ctx context.Context, run uint64) (uint64, error) {
	open, err := k.challenge.OpenWindows(ctx, run)
	if err != nil {
		return 0, err
	}
	for _, w := range slices.Backward(open) {
		if stage := k.challenge.Stage(ctx, w); stage == challengetypes.StageOpening || stage == challengetypes.StageCommit {
			return w.Id, nil
		}
	}
	r, err := k.challenge.GetRun(ctx, run)
	return r.NextWindow, err
}

// judged counts the accusations that a window judges.
func (k *Keeper) judged(ctx context.Context, run, judgeWindow uint64) (uint32, error) {
	it, err := k.Judged.Iterate(ctx, collections.NewSuperPrefixedTripleRange[uint64, uint64, uint64](run, judgeWindow))
	if err != nil {
		return 0, err
	}
	keys, err := it.Keys()
	return uint32(len(keys)), err // at most MaxAccusations
}

// newestAccusation of a leaf; ok is false if it was never accused.
func (k *Keeper) newestAccusation(ctx context.Context, run, window uint64, miner sdk.AccAddress, leaf uint64) (types.Accusation, bool, error) {
	id, err := k.Accused.Get(ctx, collections.Join4(run, window, miner, leaf))
	if errors.Is(err, collections.ErrNotFound) {
		return types.Accusation{}, false, nil
	}
	if err != nil {
		return types.Accusation{}, false, err
	}
	return k.GetAccusation(ctx, run, id)
}

// setAccusation stores an accusation and both its indexes.
func (k *Keeper) setAccusation(ctx context.Context, a types.Accusation) error {
	miner, err := k.account(a.Miner)
	if err != nil {
		return err
	}
	if err := k.AccusationsByID.Set(ctx, collections.Join(a.Run, a.Id), a); err != nil {
		return err
	}
	if err := k.Judged.Set(ctx, collections.Join3(a.Run, a.JudgeWindow, a.Id)); err != nil {
		return err
	}
	return k.Accused.Set(ctx, collections.Join4(a.Run, a.Window, miner, a.Leaf), a.Id)
}

// removeAccusation removes an accusation and what leads to it. A leaf that was accused
// again after a.RETURNED keeps its entry.
func (k *Keeper) removeAccusation(ctx context.Context, a types.Accusation) error {
	miner, err := k.account(a.Miner)
	if err != nil {
		return err
	}
	leaf := collections.Join4(a.Run, a.Window, miner, a.Leaf)
	newest, err := k.Accused.Get(ctx, leaf)
	if err != nil && !errors.Is(err, collections.ErrNotFound) {
		return err
	}
	if err == nil && newest == a.Id {
		if err := k.Accused.Remove(ctx, leaf); err != nil {
			return err
		}
	}
	if err := k.Judged.Remove(ctx, collections.Join3(a.Run, a.JudgeWindow, a.Id)); err != nil {
		return err
	}
	return k.AccusationsByID.Remove(ctx, collections.Join(a.Run, a.Id))
}

// ResolveAccusation ends an accusation: confirmed by the graders its deposit goes
// back, else it is burned. Errors: ErrAccusationNotFound, ErrNotPending.
func (k *Keeper) ResolveAccusation(ctx context.Context, a types.Accusation, confirmed bool) error {
	if confirmed {
		return k.resolve(ctx, a.Run, a.Id, types.AccusationConfirmed)
	}
	return k.resolve(ctx, a.Run, a.Id, types.AccusationRefuted)
}

// resolve ends the accusation id of a run with a status other than PENDING.
func (k *Keeper) resolve(ctx context.Context, run, id uint64, status types.AccusationStatus) error {
	a, ok, err := k.GetAccusation(ctx, run, id) // what is stored counts, not a caller's copy
	if err != nil {
		return err
	}
	if !ok {
		return types.ErrAccusationNotFound.Wrapf("%d of run %d", id, run)
	}
	if a.Status != types.AccusationPending {
		return types.ErrNotPending.Wrapf("%d of run %d is %s", id, run, a.Status.Short())
	}
	a.Status = status
	if err := k.AccusationsByID.Set(ctx, collections.Join(run, id), a); err != nil {
		return err
	}
	returned, burned := a.Deposit, sdkmath.ZeroInt()
	if status == types.AccusationRefuted {
		returned, burned = burned, returned
		if err := k.bank.BurnCoins(ctx, types.ModuleName, k.coins(burned)); err != nil {
			return err
		}
	} else {
		accuser, err := k.account(a.Accuser)
		if err != nil {
			return err
		}
		if err := k.bank.SendCoinsFromModuleToAccount(ctx, types.ModuleName, accuser, k.coins(returned)); err != nil {
			return err
		}
	}
	return k.emit(ctx, &types.EventAccusationResolved{
		Run: run, Id: id, Status: status, Returned: returned.String(), Burned: burned.String(),
	})
}

// DeferAccusations moves what a window that became VOID should have judged to the
// window that judges what is accused now. Where the accused window's bond is released
// by then, or that window has max_accusations already, the deposit goes back.
func (k *Keeper) DeferAccusations(ctx context.Context, run, window uint64) error {
	accusations, err := k.Accusations(ctx, run, window)
	if err != nil || len(accusations) == 0 {
		return err
	}
	params, err := k.Params.Get(ctx)
	if err != nil {
		return err
	}
	next, err := k.judgeWindow(ctx, run)
	if err != nil {
		return err
	}
	taken, err := k.judged(ctx, run, next)
	if err != nil {
		return err
	}
	for _, a := range accusations {
		if a.Status != types.AccusationPending {
			continue
		}
		miner, err := k.account(a.Miner)
		if err != nil {
			return err
		}
		_, locked, err := k.registry.GetLock(ctx, run, a.Window, miner)
		if err != nil {
			return err
		}
		if !locked || taken >= params.MaxAccusations || next == window {
			if err := k.resolve(ctx, run, a.Id, types.AccusationReturned); err != nil {
				return err
			}
			continue
		}
		if err := k.Judged.Remove(ctx, collections.Join3(run, window, a.Id)); err != nil {
			return err
		}
		a.JudgeWindow = next
		if err := k.setAccusation(ctx, a); err != nil {
			return err
		}
		taken++
		if err := k.emit(ctx, &types.EventAccusationDeferred{Run: run, Id: a.Id, JudgeWindow: next}); err != nil {
			return err
		}
	}
	return nil
}
