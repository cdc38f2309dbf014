package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
)

// mint mints the run's share of the emission of blocks [start, end) to the module
// account, at most what max_supply leaves, and returns how much it was.
func (k *Keeper) mint(ctx context.Context, params types.Params, w challengetypes.Window, start, end int64) (consensus.Amount, error) {
	var none consensus.Amount
	r0, err := types.ToAmount(params.InitialBlockReward)
	if err != nil {
		return none, err
	}
	all, err := consensus.Emission(r0, params.HalvingBlocks, start, end)
	if err != nil {
		return none, err
	}
	amount, err := consensus.SharePPM(all, w.Params.EmissionSharePpm)
	if err != nil {
		return none, err
	}
	supply := k.bank.GetSupply(ctx, k.denom).Amount
	if supply.GTE(params.MaxSupply) {
		return none, nil
	}
	left, err := types.ToAmount(params.MaxSupply.Sub(supply))
	if err != nil {
		return none, err
	}
	if amount.Gt(&left) {
		amount = left
	}
	if amount.IsZero() {
		return none, nil
	}
	return amount, k.bank.MintCoins(ctx, types.ModuleName, k.coins(types.FromAmount(amount)))
}

// payGraders divides part over the graders whose reveal counts, by stake, writes the
// row and the duty of every grader, and returns what was paid. The dividend of a
// validator that is gone stays unpaid.
func (k *Keeper) payGraders(
	ctx context.Context, params types.Params, w challengetypes.Window, s *sheet, tally consensus.Output, part consensus.Amount,
) (sdkmath.Int, error) {
	total := sdkmath.ZeroInt()
	for i, addr := range s.graders {
		operator, err := k.operators.BytesToString(addr)
		if err != nil {
			return total, err
		}
		row := types.GraderResult{
			Run: w.Run, Window: w.Id, Grader: operator, Stake: types.FromAmount(s.stakes[i]),
			Committed: s.commits[i], Paid: sdkmath.ZeroInt(),
		}
		standing := tally.Graders[i]
		switch standing {
		case consensus.Counted:
			row.Revealed = true
			if err := k.payGrader(ctx, &row, addr, s.stakes[i], tally.Revealed, part); err != nil {
				return total, err
			}
			if total, err = total.SafeAdd(row.Paid); err != nil {
				return total, err
			}
		case consensus.WrongWork:
			row.Reason = "work root is not the majority's"
		case consensus.Excused:
			row.Reason = "could fetch other batches than the majority"
		default:
			row.Reason = "nothing revealed"
			if !row.Committed {
				row.Reason = "nothing committed"
			}
		}
		if standing == consensus.Absent || standing == consensus.WrongWork {
			if err := k.missReveal(ctx, params, w, operator, addr); err != nil {
				return total, err
			}
		}
		if err := k.GraderResults.Set(ctx, collections.Join3(w.Run, w.Id, addr), row); err != nil {
			return total, err
		}
	}
	return total, nil
}

// payGrader allocates a grader's dividend through x/distribution, so that its
// delegators get theirs.
func (k *Keeper) payGrader(ctx context.Context, row *types.GraderResult, addr sdk.ValAddress, stake, active, part consensus.Amount) error {
	ppb, err := consensus.Share(consensus.NewAmount(billion), stake, active)
	if err != nil {
		return err
	}
	row.DividendPpb = ppb.Uint64()
	share, err := consensus.Share(part, stake, active)
	if err != nil {
		return err
	}
	if share.IsZero() {
		return nil
	}
	amount := types.FromAmount(share)
	paid := k.try(ctx, "a dividend", func(ctx context.Context) error {
		validator, err := k.staking.GetValidator(ctx, addr)
		if errors.Is(err, stakingtypes.ErrNoValidatorFound) {
			row.Reason = "the validator is gone: its dividend went to the community pool"
		}
		if err != nil {
			return err
		}
		if err := k.bank.SendCoinsFromModuleToModule(ctx, types.ModuleName, distrtypes.ModuleName, k.coins(amount)); err != nil {
			return err
		}
		return k.distribution.AllocateTokensToValidator(ctx, validator, sdk.NewDecCoinsFromCoins(k.coins(amount)...))
	})
	if paid {
		row.Paid = amount
	}
	return nil
}

// payLearner pays part for a checkpoint version that no window before this one used,
// and returns what was paid: nothing for an old version.
func (k *Keeper) payLearner(ctx context.Context, w challengetypes.Window, part consensus.Amount) (sdkmath.Int, error) {
	none := sdkmath.ZeroInt()
	totals, err := k.RunTotals(ctx, w.Run)
	if err != nil || w.CheckpointVersion <= totals.RewardedVersion {
		return none, err
	}
	totals.RewardedVersion = w.CheckpointVersion
	if err := k.Totals.Set(ctx, w.Run, totals); err != nil || part.IsZero() {
		return none, err
	}
	amount := types.FromAmount(part)
	if !k.try(ctx, "paying the learner", func(ctx context.Context) error {
		run, err := k.challenge.GetRun(ctx, w.Run)
		if err != nil {
			return err
		}
		learner, err := k.account(run.Learner)
		if err != nil {
			return err
		}
		return k.bank.SendCoinsFromModuleToAccount(ctx, types.ModuleName, learner, k.coins(amount))
	}) {
		return none, nil
	}
	return amount, nil
}

// payValidators sends part to the consensus validators by the fee collector, and
// returns what was paid.
func (k *Keeper) payValidators(ctx context.Context, part consensus.Amount) sdkmath.Int {
	amount := types.FromAmount(part)
	if part.IsZero() || !k.try(ctx, "paying validators", func(ctx context.Context) error {
		return k.bank.SendCoinsFromModuleToModule(ctx, types.ModuleName, k.feeCollector, k.coins(amount))
	}) {
		return sdkmath.ZeroInt()
	}
	return amount
}

// fundPool sends amount from the module account to the community pool.
func (k *Keeper) fundPool(ctx context.Context, amount sdkmath.Int) error {
	if !amount.IsPositive() {
		return nil
	}
	return k.distribution.FundCommunityPool(ctx, k.coins(amount), k.accounts.GetModuleAddress(types.ModuleName))
}
