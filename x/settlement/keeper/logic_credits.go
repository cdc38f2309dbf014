package keeper

import (
	"context"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/x/settlement/types"
)

// setCredit stores a credit, and its place in the index by window.
func (k *Keeper) setCredit(ctx context.Context, addr sdk.AccAddress, c types.Credit) error {
	if err := k.CreditIndex.Set(ctx, collections.Join3(c.Run, c.Window, addr)); err != nil {
		return err
	}
	return k.Credits.Set(ctx, collections.Join3(c.Run, addr, c.Window), c)
}

func (k *Keeper) removeCredit(ctx context.Context, run, window uint64, addr sdk.AccAddress) error {
	if err := k.CreditIndex.Remove(ctx, collections.Join3(run, window, addr)); err != nil {
		return err
	}
	return k.Credits.Remove(ctx, collections.Join3(run, addr, window))
}

// credit books a row's pay. Where a marker covers the window it is void at once: the
// pay is the same as if the cheat had been found a block later, and so is what becomes
// of it.
func (k *Keeper) credit(ctx context.Context, row *types.MinerResult, addr sdk.AccAddress) error {
	void, err := k.void(ctx, row.Run, addr, row.Window)
	if err != nil {
		return err
	}
	if !void {
		return k.setCredit(ctx, addr, types.Credit{Run: row.Run, Window: row.Window, Miner: row.Miner, Amount: row.Paid})
	}
	row.Voided = row.Paid
	if err := k.takeBack(ctx, row.Run, row.Voided); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventCreditsVoided{Run: row.Run, Miner: row.Miner, Amount: row.Voided.String()})
}

// takeBack sends void credits to the community pool.
func (k *Keeper) takeBack(ctx context.Context, run uint64, amount sdkmath.Int) error {
	if err := k.fundPool(ctx, amount); err != nil {
		return err
	}
	return k.addTotals(ctx, run, func(t *types.RunTotals) *sdkmath.Int { return &t.Voided }, amount)
}

// addTotals adds amount to one of a run's sums.
func (k *Keeper) addTotals(ctx context.Context, run uint64, which func(*types.RunTotals) *sdkmath.Int, amount sdkmath.Int) error {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	sum := which(&totals)
	if *sum, err = types.Sum(*sum, amount); err != nil {
		return err
	}
	return k.Totals.Set(ctx, run, totals)
}

// voidCredits takes a miner's locked credits of a run back, to the community pool, and
// leaves a marker for the windows that are not settled yet. What was unlocked before
// stays its own. It returns what it took.
func (k *Keeper) voidCredits(ctx context.Context, params types.Params, run uint64, miner string, addr sdk.AccAddress) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return none, err
	}
	r, err := k.challenge.GetRun(ctx, run)
	if err != nil {
		return none, err
	}
	first := totals.FirstLocked(params.RewardLockWindows)
	if err := k.mark(ctx, run, miner, addr, first, max(first, r.NextWindow)); err != nil {
		return none, err
	}
	// Newest first, and no further than the first unlocked one: a miner that never
	// claims must not make this long.
	var locked []types.Credit
	newest := collections.NewSuperPrefixedTripleRangeReversed[uint64, sdk.AccAddress, uint64](run, addr)
	if err := k.Credits.Walk(ctx, newest, func(_ creditKey, c types.Credit) (stop bool, err error) {
		if c.Window < first {
			return true, nil
		}
		locked = append(locked, c)
		return false, nil
	}); err != nil {
		return none, err
	}
	sum, err := k.takeCredits(ctx, run, addr, locked)
	if err != nil || !sum.IsPositive() {
		return none, err
	}
	for _, c := range locked {
		if err := k.voidRow(ctx, c, addr); err != nil {
			return none, err
		}
	}
	if err := k.takeBack(ctx, run, sum); err != nil {
		return none, err
	}
	return sum, k.emit(ctx, &types.EventCreditsVoided{Run: run, Miner: miner, Amount: sum.String()})
}

// voidRow writes into a result that its credit is void.
func (k *Keeper) voidRow(ctx context.Context, c types.Credit, addr sdk.AccAddress) error {
	key := collections.Join3(c.Run, c.Window, addr)
	row, ok, err := orZero(k.MinerResults.Get(ctx, key))
	if err != nil || !ok {
		return err
	}
	row.Voided = c.Amount
	return k.MinerResults.Set(ctx, key, row)
}

// takeCredits removes credits of a miner and returns their sum.
func (k *Keeper) takeCredits(ctx context.Context, run uint64, addr sdk.AccAddress, credits []types.Credit) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	for _, c := range credits {
		var err error
		if sum, err = types.Sum(sum, c.Amount); err != nil {
			return sum, err
		}
		if err := k.removeCredit(ctx, run, c.Window, addr); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// minerCredits are the oldest unclaimed credits of a miner with a run, at most limit.
func (k *Keeper) minerCredits(ctx context.Context, run uint64, addr sdk.AccAddress, limit uint32) ([]types.Credit, error) {
	var credits []types.Credit
	oldest := collections.NewSuperPrefixedTripleRange[uint64, sdk.AccAddress, uint64](run, addr)
	err := k.Credits.Walk(ctx, oldest, func(_ creditKey, c types.Credit) (stop bool, err error) {
		credits = append(credits, c)
		return uint64(len(credits)) >= uint64(limit), nil
	})
	return credits, err
}

// expiryEnd is the window before which credits have expired; 0 if none have.
func expiryEnd(params types.Params, totals types.RunTotals) uint64 {
	return totals.SettledWindows - min(totals.SettledWindows, uint64(params.CreditExpiryWindows))
}

// creditsExpire reports whether credits of a run have expired that expire has not come to.
func (k *Keeper) creditsExpire(ctx context.Context, totals types.RunTotals) (found bool, err error) {
	params, err := k.Params.Get(ctx)
	if err != nil {
		return false, err
	}
	end := expiryEnd(params, totals)
	err = k.CreditIndex.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, sdk.AccAddress](totals.Run),
		func(key minerKey) (stop bool, err error) {
			found = key.K2() < end // the oldest comes first
			return true, nil
		})
	return found, err
}

// expire gives credits that nobody claimed for credit_expiry_windows to the community
// pool, the oldest first, within the block's budget.
func (k *Keeper) expire(ctx context.Context, params types.Params, run uint64, left *budget) error {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	end := expiryEnd(params, totals)
	if left.credits == 0 || end == 0 {
		return nil
	}
	var old []minerKey
	if err := k.CreditIndex.Walk(ctx, collections.NewPrefixedTripleRange[uint64, uint64, sdk.AccAddress](run), func(key minerKey) (stop bool, err error) {
		if key.K2() >= end {
			return true, nil
		}
		old = append(old, key)
		return uint64(len(old)) >= uint64(left.credits), nil
	}); err != nil || len(old) == 0 {
		return err
	}
	left.credits -= uint32(len(old))
	sum := sdkmath.ZeroInt()
	for _, key := range old {
		c, ok, err := orZero(k.Credits.Get(ctx, collections.Join3(run, key.K3(), key.K2())))
		if err != nil {
			return err
		}
		if ok {
			if sum, err = types.Sum(sum, c.Amount); err != nil {
				return err
			}
		}
		if err := k.removeCredit(ctx, run, key.K2(), key.K3()); err != nil {
			return err
		}
	}
	if err := k.fundPool(ctx, sum); err != nil {
		return err
	}
	if err := k.addTotals(ctx, run, func(t *types.RunTotals) *sdkmath.Int { return &t.Expired }, sum); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventCreditsExpired{Run: run, Amount: sum.String(), Credits: uint32(len(old))})
}
