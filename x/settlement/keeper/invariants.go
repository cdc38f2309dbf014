package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// CheckInvariants walks the whole state and returns an ErrBrokenInvariant that names
// the first rule it breaks. It is for tests and operators, not for blocks.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	for _, check := range []func(context.Context) error{k.checkBalance, k.checkResults, k.checkTotals, k.checkIndexes} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Held is what the module account must hold: all unclaimed credits, and what windows
// in settlement have not paid out yet.
func (k *Keeper) Held(ctx context.Context) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	add := func(amount sdkmath.Int) (err error) {
		sum, err = types.Sum(sum, amount)
		return err
	}
	if err := k.Credits.Walk(ctx, nil, func(_ creditKey, c types.Credit) (bool, error) {
		return false, add(c.Amount)
	}); err != nil {
		return sum, err
	}
	err := k.Cursors.Walk(ctx, nil, func(_ windowKey, c types.Cursor) (bool, error) {
		unspent, err := c.Unspent()
		if err != nil {
			return true, err
		}
		return false, add(unspent)
	})
	return sum, err
}

// checkBalance: the module account holds exactly what is owed.
func (k *Keeper) checkBalance(ctx context.Context) error {
	owed, err := k.Held(ctx)
	if err != nil {
		return types.ErrBrokenInvariant.Wrap(err.Error())
	}
	held := k.bank.GetBalance(ctx, k.accounts.GetModuleAddress(types.ModuleName), k.denom).Amount
	if !held.Equal(owed) {
		return types.ErrBrokenInvariant.Wrapf("the account holds %s%s, owed are %s", held, k.denom, owed)
	}
	return nil
}

// checkResults: every window's parts add up, and its rows add up to its parts.
func (k *Keeper) checkResults(ctx context.Context) error {
	return k.WindowResults.Walk(ctx, nil, func(key windowKey, r types.WindowResult) (bool, error) {
		if err := r.Balanced(); err != nil {
			return true, types.ErrBrokenInvariant.Wrap(err.Error())
		}
		return false, k.checkRows(ctx, r)
	})
}

// checkTotals: what a run minted is what it paid, what it owes and what went to the
// community pool, window by window and in credits.
func (k *Keeper) checkTotals(ctx context.Context) error {
	booked, owed := map[uint64]sdkmath.Int{}, map[uint64]sdkmath.Int{}
	add := func(to map[uint64]sdkmath.Int, run uint64, amount sdkmath.Int) (err error) {
		if _, ok := to[run]; !ok {
			to[run] = sdkmath.ZeroInt()
		}
		to[run], err = types.Sum(to[run], amount)
		return err
	}
	if err := k.Totals.Walk(ctx, nil, func(run uint64, t types.RunTotals) (bool, error) {
		if err := t.Balanced(); err != nil {
			return true, types.ErrBrokenInvariant.Wrap(err.Error())
		}
		gone, err := types.Sum(t.Claimed, t.Voided, t.Expired)
		if err != nil {
			return true, types.ErrBrokenInvariant.Wrap(err.Error())
		}
		if err := add(owed, run, gone); err != nil {
			return true, err
		}
		return false, add(booked, run, t.Miners)
	}); err != nil {
		return err
	}
	if err := k.Cursors.Walk(ctx, nil, func(_ windowKey, c types.Cursor) (bool, error) {
		return false, add(booked, c.Run, c.Paid)
	}); err != nil {
		return err
	}
	if err := k.Credits.Walk(ctx, nil, func(_ creditKey, c types.Credit) (bool, error) {
		return false, add(owed, c.Run, c.Amount)
	}); err != nil {
		return err
	}
	runs, err := k.challenge.RunIDs(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := k.checkOver(ctx, run); err != nil {
			return err
		}
		if add(booked, run, sdkmath.ZeroInt()) != nil || add(owed, run, sdkmath.ZeroInt()) != nil || !booked[run].Equal(owed[run]) {
			return types.ErrBrokenInvariant.Wrapf("run %d booked credits of %s; claimed, void, expired and open are %s", run, booked[run], owed[run])
		}
	}
	return nil
}

// checkOver: nothing is left to do for a run that EndBlock does not look at any more.
func (k *Keeper) checkOver(ctx context.Context, run uint64) error {
	r, err := k.challenge.GetRun(ctx, run)
	if err != nil || !r.Over() {
		return err
	}
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	if totals.ReleasedWindows < totals.SettledWindows || totals.UnlockedWindows < totals.SettledWindows {
		return types.ErrBrokenInvariant.Wrapf("run %d is over with %d windows settled, the bonds of %d released and the credits of %d unlocked",
			run, totals.SettledWindows, totals.ReleasedWindows, totals.UnlockedWindows)
	}
	return nil
}

// checkIndexes: nothing is left without what it belongs to.
func (k *Keeper) checkIndexes(ctx context.Context) error {
	credits := 0
	if err := k.Credits.Walk(ctx, nil, func(key creditKey, _ types.Credit) (bool, error) {
		credits++
		has, err := k.CreditIndex.Has(ctx, collections.Join3(key.K1(), key.K3(), key.K2()))
		if err == nil && !has {
			err = types.ErrBrokenInvariant.Wrapf("credit of window %d of run %d is not in the index", key.K3(), key.K1())
		}
		return err != nil, err
	}); err != nil {
		return err
	}
	if err := k.CreditIndex.Walk(ctx, nil, func(minerKey) (bool, error) {
		credits--
		return false, nil
	}); err != nil {
		return err
	}
	if credits != 0 {
		return types.ErrBrokenInvariant.Wrapf("the index of credits has %d more than there are", -credits)
	}
	if err := k.TallyPages.Walk(ctx, nil, func(key pageKey, _ types.TallyPage) (bool, error) {
		has, err := k.Cursors.Has(ctx, collections.Join(key.K1(), key.K2()))
		if err == nil && !has {
			err = types.ErrBrokenInvariant.Wrapf("page of window %d of run %d, which is not in settlement", key.K2(), key.K1())
		}
		return err != nil, err
	}); err != nil {
		return err
	}
	return k.BondRows.Walk(ctx, nil, func(key collections.Pair[uint64, sdk.ValAddress], row types.BondRow) (bool, error) {
		columns, _, err := orZero(k.BondColumns.Get(ctx, key.K1()))
		if err == nil && len(row.Bonds) != 2*len(columns.Columns) {
			err = types.ErrBrokenInvariant.Wrapf("bonds of %s: %d bytes on %d columns", row.Grader, len(row.Bonds), len(columns.Columns))
		}
		return err != nil, err
	})
}

func (k *Keeper) checkRows(ctx context.Context, r types.WindowResult) error {
	miners, graders := sdkmath.ZeroInt(), sdkmath.ZeroInt()
	if err := k.MinerResults.Walk(ctx, ofWindow[sdk.AccAddress](r.Run, r.Window),
		func(_ minerKey, row types.MinerResult) (_ bool, err error) {
			miners, err = types.Sum(miners, row.Paid)
			return false, err
		}); err != nil {
		return err
	}
	if err := k.GraderResults.Walk(ctx, ofWindow[sdk.ValAddress](r.Run, r.Window),
		func(_ graderKey, row types.GraderResult) (_ bool, err error) {
			graders, err = types.Sum(graders, row.Paid)
			return false, err
		}); err != nil {
		return err
	}
	if !miners.Equal(r.Miners) || !graders.Equal(r.Graders) {
		return types.ErrBrokenInvariant.Wrapf("window %d of run %d: miners got %s of %s, graders %s of %s",
			r.Window, r.Run, miners, r.Miners, graders, r.Graders)
	}
	return nil
}
