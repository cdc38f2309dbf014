package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// billion is the denominator of shares that people read.
const billion = 1_000_000_000

// settleNext settles one frozen miner and moves the cursor past it. A miner that
// cannot be settled is reported and left without pay; the others go on.
func (k *Keeper) settleNext(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor *types.Cursor, m frozenMiner,
) error {
	cursor.Next++
	if m.addr == nil {
		return nil
	}
	paid := sdkmath.ZeroInt()
	if !k.try(ctx, "miner "+m.text, func(ctx context.Context) (err error) {
		paid, err = k.settleMiner(ctx, params, w, *cursor, m.addr)
		return err
	}) {
		return nil
	}
	var err error
	cursor.Paid, err = cursor.Paid.SafeAdd(paid)
	return err
}

// settleMiner pays or punishes one miner by its frozen row, and returns its pay.
// Nothing in it depends on the other miners or on the block, so the order and the
// blocks in which miners are settled make no difference.
func (k *Keeper) settleMiner(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor, addr sdk.AccAddress,
) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	key := collections.Join3(w.Run, w.Id, addr)
	row, err := k.MinerResults.Get(ctx, key)
	if err != nil {
		return none, err
	}
	switch {
	case row.Slashable:
		k.punish(ctx, params, w, &row, addr)
	case row.Code == types.VerdictCode_VERDICT_CODE_UNAVAILABLE:
		k.withheld(ctx, params, w, cursor, &row, addr)
	case row.Weight > 0:
		if err := k.credit(ctx, cursor, &row, addr); err != nil {
			return none, err
		}
	}
	if err := k.MinerResults.Set(ctx, key, row); err != nil {
		return none, err
	}
	return row.Paid, k.emit(ctx, &types.EventMinerSettled{
		Run: w.Run, Window: w.Id, Miner: row.Miner, Code: row.Code.Name(), Weight: row.Weight,
		Paid: row.Paid.String(), Slashed: row.Slashed.String(),
	})
}

// credit books a miner's part of the miners' pool.
func (k *Keeper) credit(ctx context.Context, cursor types.Cursor, row *types.MinerResult, addr sdk.AccAddress) error {
	pool, err := types.ToAmount(cursor.MinersPool)
	if err != nil {
		return err
	}
	weight, whole := consensus.NewAmount(uint64(row.Weight)), consensus.NewAmount(cursor.TotalWeight)
	ppb, err := consensus.Share(consensus.NewAmount(billion), weight, whole)
	if err != nil {
		return err
	}
	pay, err := consensus.Share(pool, weight, whole)
	if err != nil {
		return err
	}
	row.IncentivePpb, row.Paid = ppb.Uint64(), types.FromAmount(pay)
	if pay.IsZero() {
		return nil
	}
	return k.Credits.Set(ctx, collections.Join3(row.Run, addr, row.Window),
		types.Credit{Run: row.Run, Window: row.Window, Miner: row.Miner, Amount: row.Paid})
}

// punish is for a hard failure that more than two thirds agree on: part of the bond
// that answers for the window is burned, the miner is jailed, and all its locked
// credits are void. Each step stands for itself: one that fails does not spare the
// miner the others.
func (k *Keeper) punish(ctx context.Context, params types.Params, w challengetypes.Window, row *types.MinerResult, addr sdk.AccAddress) {
	k.slash(ctx, w, row, addr, params.HardSlashPpm)
	k.jail(ctx, params, w, row, addr)
	k.try(ctx, "voiding credits", func(ctx context.Context) error { return k.voidCredits(ctx, params, w.Run, row.Miner, addr) })
}

// withheld is for a miner whose batch could not be had, or that committed none of the
// groups it declared. Only a commitment locked a bond that can be slashed. A miner in
// jail could not commit, so it missed no duty; nor did one that committed nothing in a
// window without any work that is ok: if the checkpoint cannot be had, nobody can work.
func (k *Keeper) withheld(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor, row *types.MinerResult, addr sdk.AccAddress,
) {
	if row.Groups > 0 {
		k.slash(ctx, w, row, addr, params.UnavailableSlashPpm)
	}
	if row.Jailed || row.Groups == 0 && cursor.Result.OkGroups == 0 {
		return
	}
	last := false
	if k.try(ctx, "counting a duty", func(ctx context.Context) (err error) {
		last, err = k.missBatch(ctx, params, w, row.Miner, addr)
		return err
	}) && last {
		k.jail(ctx, params, w, row, addr)
		row.Reason = fmt.Sprintf("%s, the %d. time in %d windows", row.Reason, params.MaxUnavailable, params.DutyWindow)
	}
}

func (k *Keeper) slash(ctx context.Context, w challengetypes.Window, row *types.MinerResult, addr sdk.AccAddress, ppm uint32) {
	k.try(ctx, "a slash", func(ctx context.Context) error {
		burned, err := k.registry.Slash(ctx, w.Run, w.Id, addr, ppm, row.Code.Name())
		if err == nil {
			row.Slashed = burned
		}
		return err
	})
}

func (k *Keeper) jail(ctx context.Context, params types.Params, w challengetypes.Window, row *types.MinerResult, addr sdk.AccAddress) {
	if k.try(ctx, "a jail term", func(ctx context.Context) error {
		return k.registry.Jail(ctx, w.Run, addr, w.Id+1+uint64(params.JailWindows))
	}) {
		row.Jailed = true
	}
}

// voidCredits takes a miner's locked credits of a run back, to the community pool.
// What was unlocked before stays its own.
func (k *Keeper) voidCredits(ctx context.Context, params types.Params, run uint64, miner string, addr sdk.AccAddress) error {
	totals, err := k.RunTotals(ctx, run)
	if err != nil {
		return err
	}
	// Newest first, and no further than the first unlocked one: a miner that never
	// claims must not make this long.
	var locked []types.Credit
	newest := collections.NewSuperPrefixedTripleRangeReversed[uint64, sdk.AccAddress, uint64](run, addr)
	if err := k.Credits.Walk(ctx, newest, func(_ creditKey, c types.Credit) (stop bool, err error) {
		if c.Unlocked(totals.SettledWindows, params.RewardLockWindows) {
			return true, nil
		}
		locked = append(locked, c)
		return false, nil
	}); err != nil {
		return err
	}
	sum, err := k.takeCredits(ctx, run, addr, locked)
	if err != nil || !sum.IsPositive() {
		return err
	}
	if err := k.fundPool(ctx, sum); err != nil {
		return err
	}
	return k.emit(ctx, &types.EventCreditsVoided{Run: run, Miner: miner, Amount: sum.String()})
}

// takeCredits removes credits of a miner and returns their sum.
func (k *Keeper) takeCredits(ctx context.Context, run uint64, addr sdk.AccAddress, credits []types.Credit) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	for _, c := range credits {
		var err error
		if sum, err = types.Sum(sum, c.Amount); err != nil {
			return sum, err
		}
		if err := k.Credits.Remove(ctx, collections.Join3(run, addr, c.Window)); err != nil {
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
