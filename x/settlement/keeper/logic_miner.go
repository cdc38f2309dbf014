package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
	"github.com/galahad-network/galahad/x/settlement/yuma"
)

// billion is the denominator of shares that people read.
const billion = 1_000_000_000

// maxSkipped bounds the list of entries that a window reports as skipped.
const maxSkipped = 100

// Reasons of skipped entries.
const (
	skippedAddress = "the address is none of this chain"
	skippedRow     = "its row of the tally is not there"
	skippedFailed  = "settling it failed"
)

// settleMiners settles the miners from the cursor on, at most limit of them, and returns
// what is left of limit. It reads only the pages that it settles.
func (k *Keeper) settleMiners(ctx context.Context, params types.Params, w challengetypes.Window, cursor *types.Cursor, limit uint32) (uint32, error) {
	for limit > 0 && cursor.Next < cursor.Miners {
		number := uint64(cursor.Next / pageSize)
		key := collections.Join3(w.Run, w.Id, number)
		page, _, err := orZero(k.TallyPages.Get(ctx, key))
		if err != nil {
			k.logger(ctx).Error("settlement: page of the tally is not readable", "run", w.Run, "window", w.Id, "page", number, "err", err)
			page = types.TallyPage{}
		}
		end := min(cursor.Miners, (cursor.Next/pageSize+1)*pageSize)
		for ; limit > 0 && cursor.Next < end; limit-- {
			row := types.TallyRow{}
			known := uint64(cursor.Next%pageSize) < uint64(len(page.Rows))
			if known {
				row = page.Rows[cursor.Next%pageSize]
			}
			if err := k.settleNext(ctx, params, w, cursor, row, known); err != nil {
				return limit, err
			}
		}
		if cursor.Next == end {
			if err := k.TallyPages.Remove(ctx, key); err != nil {
				return limit, err
			}
		}
	}
	return limit, nil
}

// settleNext settles one frozen miner and moves the cursor past it. A miner that
// cannot be settled is reported and left without pay; the others go on.
func (k *Keeper) settleNext(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor *types.Cursor, tally types.TallyRow, known bool,
) error {
	index := cursor.Next
	cursor.Next++
	skip := func(reason string) error {
		k.logger(ctx).Error("settlement: entry skipped", "run", w.Run, "window", w.Id, "index", index, "miner", tally.Miner, "reason", reason)
		cursor.Result.SkippedCount++
		if len(cursor.Result.Skipped) < maxSkipped {
			cursor.Result.Skipped = append(cursor.Result.Skipped, types.Skipped{Index: index, Miner: tally.Miner, Reason: reason})
		}
		return nil
	}
	if !known {
		return skip(skippedRow)
	}
	addr, err := k.account(tally.Miner)
	if err != nil {
		return skip(skippedAddress)
	}
	paid := sdkmath.ZeroInt()
	if !k.try(ctx, "miner "+tally.Miner, func(ctx context.Context) (err error) {
		paid, err = k.settleMiner(ctx, params, w, *cursor, tally, addr)
		return err
	}) {
		return skip(skippedFailed)
	}
	cursor.Paid, err = cursor.Paid.SafeAdd(paid)
	return err
}

// settleMiner pays or punishes one miner by its row of the tally, writes its result and
// returns its pay. Nothing in it depends on the other miners or on the block, so the
// order and the blocks in which miners are settled make no difference.
func (k *Keeper) settleMiner(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor, tally types.TallyRow, addr sdk.AccAddress,
) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	row := types.MinerResult{
		Run: w.Run, Window: w.Id, Miner: tally.Miner, Groups: tally.Groups, DeclaredGroups: tally.DeclaredGroups,
		Code: tally.Code, Leaf: tally.Leaf, Weight: tally.Weight, AgreeingPpm: tally.AgreeingPpm, Slashable: tally.Slashable,
		Paid: none, Slashed: none, Withheld: none, Voided: none,
		Jailed: tally.JailedUntil > 0, Reason: reason(tally),
	}
	code := verify.Code(uint32(row.Code))
	if code == verify.OK {
		row.Score = consensus.Score(tally.Groups, tally.DeclaredGroups)
	}
	if err := k.pay(ctx, cursor, tally, &row, addr); err != nil {
		return none, err
	}
	switch {
	case row.Slashable:
		k.punish(ctx, params, w, &row, addr, code)
	case code == verify.Unavailable && (tally.Groups > 0 || !tally.Left): // whoever was evicted could not commit
		k.withheld(ctx, params, w, cursor, &row, addr)
	}
	if err := k.score(ctx, row, addr); err != nil {
		return none, err
	}
	if err := k.MinerResults.Set(ctx, collections.Join3(w.Run, w.Id, addr), row); err != nil {
		return none, err
	}
	return row.Paid, k.emit(ctx, &types.EventMinerSettled{
		Run: w.Run, Window: w.Id, Miner: row.Miner, Code: row.Code.Name(), Weight: row.Weight,
		Paid: row.Paid.String(), Slashed: row.Slashed.String(), Voided: row.Voided.String(),
	})
}

// reason says in words what the tally means for the miner.
func reason(t types.TallyRow) (why string) {
	code := verify.Code(uint32(t.Code))
	switch {
	case t.Groups == 0 && t.Left:
		why = "left the run after the window froze it"
	case t.Groups == 0:
		why = fmt.Sprintf("declared %d groups and committed none", t.DeclaredGroups)
	case code == verify.OK && t.Incentive == 0 && consensus.Score(t.Groups, t.DeclaredGroups) == 0:
		why = fmt.Sprintf("ok, but %d of %d declared groups score 0", t.Groups, t.DeclaredGroups)
	case code == verify.OK:
		why = fmt.Sprintf("ok with %d of %d declared groups", t.Groups, t.DeclaredGroups)
	case code == verify.Unavailable:
		why = "the committed batch could not be had"
	case code == verify.Undecided && t.AgreeingPpm == 0:
		why = "no verdict has more than half of the eligible stake"
	case code == verify.Undecided:
		why = "the graders could not decide"
	case t.Evidence:
		why = fmt.Sprintf("%s at leaf %d, by evidence", code, t.Leaf)
	case t.Slashable:
		why = fmt.Sprintf("%s at leaf %d, by more than two thirds: slashed, jailed, locked credits void", code, t.Leaf)
	default:
		why = fmt.Sprintf("%s at leaf %d, not by more than two thirds: no pay, no slash", code, t.Leaf)
	}
	if t.JailedUntil > 0 {
		why = fmt.Sprintf("jailed until window %d; %s", t.JailedUntil, why)
	}
	return why
}

// pay books what a miner's incentive is worth, unless its share goes to the community
// pool: no other miner gains by its failure.
func (k *Keeper) pay(ctx context.Context, cursor types.Cursor, tally types.TallyRow, row *types.MinerResult, addr sdk.AccAddress) error {
	part, err := types.ToAmount(cursor.Result.MinersPart)
	if err != nil {
		return err
	}
	share, err := consensus.Share(part, consensus.NewAmount(tally.Incentive), one)
	if err != nil || tally.Incentive == 0 {
		return err
	}
	switch {
	case tally.Evidence:
		row.Deduction = types.Deduction_DEDUCTION_EVIDENCE
	case tally.Code != types.VerdictCode_VERDICT_CODE_OK:
		row.Deduction = types.Deduction_DEDUCTION_NOT_OK
	case tally.JailedUntil > 0:
		row.Deduction = types.Deduction_DEDUCTION_JAILED
	}
	if row.Deduction != types.Deduction_DEDUCTION_UNSPECIFIED {
		row.Withheld = types.FromAmount(share)
		return nil
	}
	if row.IncentivePpb, err = shareOf(billion, yuma.Fixed(tally.Incentive)); err != nil || share.IsZero() {
		return err
	}
	row.Paid = types.FromAmount(share)
	return k.credit(ctx, row, addr)
}

// score moves the trailing mean of a miner's incentives, by which a full run evicts.
func (k *Keeper) score(ctx context.Context, row types.MinerResult, addr sdk.AccAddress) error {
	key := collections.Join(row.Run, addr)
	s, known, err := orZero(k.MinerScores.Get(ctx, key))
	if err != nil {
		return err
	}
	mean := row.IncentivePpb
	if known {
		mean = consensus.MeanScore(s.Mean, row.IncentivePpb)
	}
	return k.MinerScores.Set(ctx, key, types.MinerScore{Run: row.Run, Miner: row.Miner, Mean: mean, Window: row.Window})
}

// MeanScore is the trailing mean of a miner's incentives with a run, in billionths of
// the miners' part; 0 before its first settled window.
func (k *Keeper) MeanScore(ctx context.Context, run uint64, miner sdk.AccAddress) (uint64, error) {
	s, _, err := orZero(k.MinerScores.Get(ctx, collections.Join(run, miner)))
	return s.Mean, err
}

// withheld is for a miner whose batch could not be had, or that committed none of the
// groups it declared. Only a commitment locked a bond that can be slashed. A miner in
// jail could not commit, so it missed no duty; nor did one that committed nothing in a
// window without any work that is ok: if the checkpoint cannot be had, nobody can work.
func (k *Keeper) withheld(
	ctx context.Context, params types.Params, w challengetypes.Window, cursor types.Cursor, row *types.MinerResult, addr sdk.AccAddress,
) {
	record := types.SlashRecord{
		Run: w.Run, Window: w.Id, Miner: row.Miner, Source: types.SlashSource_SLASH_SOURCE_UNAVAILABLE, Code: row.Code,
		Burned: sdkmath.ZeroInt(), Voided: sdkmath.ZeroInt(),
	}
	if row.Groups > 0 {
		_ = k.slash(ctx, lenient(k), &record, addr, params.UnavailableSlashPpm) // lenient never fails
		row.Slashed = record.Burned
	}
	if !row.Jailed && (row.Groups > 0 || cursor.Result.OkGroups > 0) {
		last := false
		if k.try(ctx, "counting a duty", func(ctx context.Context) (err error) {
			last, err = k.missBatch(ctx, params, w, row.Miner, addr)
			return err
		}) && last {
			_ = k.jail(ctx, lenient(k), &record, addr, params) // lenient never fails
			row.Jailed = row.Jailed || record.JailedUntilWindow > 0
			row.Reason = fmt.Sprintf("%s, the %d. time in %d windows", row.Reason, params.MaxUnavailable, params.DutyWindow)
		}
	}
	if record.Burned.IsPositive() || record.JailedUntilWindow > 0 {
		k.try(ctx, "recording a slash", func(ctx context.Context) error { return k.recordSlash(ctx, record, addr) })
	}
}

// punish is for a hard failure that more than two thirds agree on.
func (k *Keeper) punish(
	ctx context.Context, params types.Params, w challengetypes.Window, row *types.MinerResult, addr sdk.AccAddress, code verify.Code,
) {
	costs := true
	k.try(ctx, "counting a failure", func(ctx context.Context) (err error) {
		costs, err = k.costsBond(ctx, params, w, row.Miner, addr, code)
		return err
	})
	if !costs {
		row.Reason = fmt.Sprintf("%s at leaf %d: no pay; the bond only at the %d. time in %d windows", code, row.Leaf, params.MaxTolerantFailures, params.DutyWindow)
		return
	}
	record, _ := k.convict(ctx, lenient(k), params, types.SlashRecord{
		Run: w.Run, Window: w.Id, Miner: row.Miner, Source: types.SlashSource_SLASH_SOURCE_VERDICT, Code: row.Code, Leaf: row.Leaf,
	}, addr)
	row.Slashed = record.Burned
	row.Jailed = row.Jailed || record.JailedUntilWindow > 0
}
