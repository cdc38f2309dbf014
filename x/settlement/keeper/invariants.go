package keeper

import (
	"context"

	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// CheckInvariants walks the whole state and returns an ErrBrokenInvariant that names
// the first rule it breaks. It is for tests and operators, not for blocks.
func (k *Keeper) CheckInvariants(ctx context.Context) error {
	for _, check := range []func(context.Context) error{k.checkBalance, k.checkResults} {
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

// checkResults: every window's parts add up, its rows add up to its parts, and a run's
// total is the sum over its windows.
func (k *Keeper) checkResults(ctx context.Context) error {
	minted := map[uint64]sdkmath.Int{}
	if err := k.WindowResults.Walk(ctx, nil, func(key windowKey, r types.WindowResult) (bool, error) {
		if err := r.Balanced(); err != nil {
			return true, types.ErrBrokenInvariant.Wrap(err.Error())
		}
		if err := k.checkRows(ctx, r); err != nil {
			return true, err
		}
		if _, ok := minted[r.Run]; !ok {
			minted[r.Run] = sdkmath.ZeroInt()
		}
		var err error
		minted[r.Run], err = types.Sum(minted[r.Run], r.Minted)
		return false, err
	}); err != nil {
		return err
	}
	return k.Totals.Walk(ctx, nil, func(run uint64, t types.RunTotals) (bool, error) {
		if sum, ok := minted[run]; ok && !sum.Equal(t.Minted) {
			return true, types.ErrBrokenInvariant.Wrapf("run %d minted %s, its windows %s", run, t.Minted, sum)
		}
		return false, nil
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
