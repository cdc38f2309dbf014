package keeper

import (
	"context"
	"errors"

	"cosmossdk.io/collections"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	distrtypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/galahad-network/galahad/rl/verify"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	"github.com/galahad-network/galahad/x/settlement/consensus"
	"github.com/galahad-network/galahad/x/settlement/types"
	"github.com/galahad-network/galahad/x/settlement/yuma"
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

// payGraders divides part over the graders by their dividends, writes the row and the
// duty of every grader, and returns what was paid.
func (k *Keeper) payGraders(
	ctx context.Context, params types.Params, w challengetypes.Window, s *sheet, tally consensus.Output, payout scores, part consensus.Amount,
) (sdkmath.Int, error) {
	total := sdkmath.ZeroInt()
	for i, addr := range s.graders {
		operator, err := k.operators.BytesToString(addr)
		if err != nil {
			return total, err
		}
		row := types.GraderResult{
			Run: w.Run, Window: w.Id, Grader: operator, Stake: types.FromAmount(s.stakes[i]),
			Committed: s.commits[i], Revealed: tally.Graders[i].Counts(), Paid: sdkmath.ZeroInt(), Withheld: sdkmath.ZeroInt(),
		}
		if row.Revealed {
			if err := k.payGrader(ctx, &row, addr, s.deduction(i, tally), payout, i, part); err != nil {
				return total, err
			}
		}
		if total, err = total.SafeAdd(row.Paid); err != nil {
			return total, err
		}
		row.Reason = graderReason(row, tally.Graders[i])
		if err := k.countDuty(ctx, params, w, operator, addr, row.Revealed); err != nil {
			return total, err
		}
		if err := k.GraderResults.Set(ctx, collections.Join3(w.Run, w.Id, addr), row); err != nil {
			return total, err
		}
	}
	return total, nil
}

// deduction says why a grader whose reveal counts is not paid, if so: it passed a miner
// against which there was evidence before SETTLING, which it had to find, as all leaves
// undergo the checks without the model; or it judged too little.
func (s *sheet) deduction(grader int, tally consensus.Output) types.Deduction {
	for m, proof := range s.proofs {
		if proof != nil && s.reveals[grader].Verdicts[m].Code == verify.OK {
			return types.Deduction_DEDUCTION_EVIDENCE
		}
	}
	if tally.Graders[grader] == consensus.Idle {
		return types.Deduction_DEDUCTION_IDLE
	}
	return types.Deduction_DEDUCTION_UNSPECIFIED
}

func graderReason(row types.GraderResult, standing consensus.Standing) string {
	switch {
	case standing == consensus.WrongWork:
		return "the work root of a miner is not the majority's"
	case standing == consensus.Absent && row.Committed:
		return "nothing revealed"
	case standing == consensus.Absent:
		return "nothing committed"
	}
	switch row.Deduction {
	case types.Deduction_DEDUCTION_EVIDENCE:
		return "it passed a miner that evidence had convicted: its dividend went to the community pool"
	case types.Deduction_DEDUCTION_IDLE:
		return "it abstained on more than half of the work: its dividend went to the community pool"
	case types.Deduction_DEDUCTION_GONE:
		return "the validator is gone: its dividend went to the community pool"
	case types.Deduction_DEDUCTION_FAILED:
		return "the payment failed: its dividend went to the community pool"
	default:
		return ""
	}
}

// one is the whole that incentives and dividends are parts of.
var one = consensus.NewAmount(uint64(yuma.One))

// shareOf is floor(amount * x), x being a part of one.
func shareOf(amount uint64, x yuma.Fixed) (uint64, error) {
	share, err := consensus.Share(consensus.NewAmount(amount), consensus.NewAmount(uint64(x)), one)
	return share.Uint64(), err
}

// payGrader allocates a grader's dividend through x/distribution, so that its
// delegators get theirs.
func (k *Keeper) payGrader(
	ctx context.Context, row *types.GraderResult, addr sdk.ValAddress, deduction types.Deduction, payout scores, place int, part consensus.Amount,
) error {
	dividend := payout.dividend(place)
	var err error
	if row.DividendPpb, err = shareOf(billion, dividend); err != nil {
		return err
	}
	// Clipped weights add up to at most one, less what each of them was rounded down.
	trust, err := shareOf(consensus.Million, min(payout.trust(place), yuma.One))
	if err != nil {
		return err
	}
	row.TrustPpm = uint32(trust)
	share, err := consensus.Share(part, consensus.NewAmount(uint64(dividend)), one)
	if err != nil || share.IsZero() {
		return err
	}
	amount := types.FromAmount(share)
	if deduction == types.Deduction_DEDUCTION_UNSPECIFIED {
		deduction = types.Deduction_DEDUCTION_FAILED
		if k.try(ctx, "a dividend", func(ctx context.Context) error {
			validator, err := k.staking.GetValidator(ctx, addr)
			if errors.Is(err, stakingtypes.ErrNoValidatorFound) {
				deduction = types.Deduction_DEDUCTION_GONE
			}
			if err != nil {
				return err
			}
			if err := k.bank.SendCoinsFromModuleToModule(ctx, types.ModuleName, distrtypes.ModuleName, k.coins(amount)); err != nil {
				return err
			}
			return k.distribution.AllocateTokensToValidator(ctx, validator, sdk.NewDecCoinsFromCoins(k.coins(amount)...))
		}) {
			row.Paid = amount
			return nil
		}
	}
	row.Withheld, row.Deduction = amount, deduction
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
