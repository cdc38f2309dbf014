package types

import (
	"fmt"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// Reasons of the items that Explain gives, beside those of Deduction.Reason. They are
// part of the module's interface.
const (
	// ReasonDuty is the part of the miners' pool that would have been the miner's if
	// all miners had done, and passed with, all that they declared.
	ReasonDuty = "duty"
	// ReasonGroups is what groups that were declared and not committed cost.
	ReasonGroups = "groups"
	// ReasonConsensus is the way from there to the worth of the miner's incentive: what
	// others did not earn is shared out, weights are clipped, fractions are floored.
	ReasonConsensus = "consensus"
	// ReasonVerdict is what a verdict that is not ok costs: all.
	ReasonVerdict = "verdict"
	// ReasonVoided is a credit that a later hard failure took back.
	ReasonVoided = "voided"
)

// Reason is the deduction's code in explanations.
func (d Deduction) Reason() string {
	switch d {
	case Deduction_DEDUCTION_NOT_OK:
		return ReasonVerdict
	case Deduction_DEDUCTION_JAILED:
		return "jailed"
	case Deduction_DEDUCTION_EVIDENCE:
		return "evidence"
	case Deduction_DEDUCTION_IDLE:
		return "idle"
	case Deduction_DEDUCTION_GONE:
		return "gone"
	default:
		return "failed"
	}
}

// Explain leads from a miner's duty to its coins. part is the miners' part of the
// window's emission in agal, declared the sum of the groups that all frozen miners
// declared. The items add up to what is received, exactly: the row's pay less what was
// taken back of it. Steps that change nothing are left out, but for the first. It fails
// with ErrInvalidAmount for a row that no settlement writes.
func Explain(row MinerResult, part sdkmath.Int, declared uint64) (items []ExplainItem, received sdkmath.Int, err error) {
	sum := sdkmath.ZeroInt()
	step := func(reason string, to sdkmath.Int, format string, args ...any) {
		if delta := to.Sub(sum); !delta.IsZero() || len(items) == 0 {
			items = append(items, ExplainItem{Reason: reason, Amount: delta, Text: fmt.Sprintf(format, args...)})
		}
		sum = to
	}
	worth, err := Sum(row.Paid, row.Withheld)
	if err != nil {
		return nil, sum, err
	}
	if row.Voided.IsNil() || row.Voided.IsNegative() || row.Voided.GT(row.Paid) {
		return nil, sum, ErrInvalidAmount.Wrap("more was taken back than paid")
	}
	duty, err := partOf(part, uint64(row.DeclaredGroups), declared)
	if err != nil {
		return nil, sum, err
	}
	done, err := partOf(part, consensus.Score(row.Groups, row.DeclaredGroups), declared)
	if err != nil {
		return nil, sum, err
	}
	step(ReasonDuty, duty, "declared %d of the %d groups that all miners declared", row.DeclaredGroups, declared)
	step(ReasonGroups, done, "committed %d of %d groups; a score is groups^2 / declared", row.Groups, row.DeclaredGroups)
	if worth.IsZero() && row.Code != VerdictCode_VERDICT_CODE_OK {
		step(ReasonVerdict, worth, "%s", row.Reason)
	}
	step(ReasonConsensus, worth, "what others did not earn is shared out; weights are clipped; fractions are floored")
	step(row.Deduction.Reason(), row.Paid, "%s", row.Reason)
	step(ReasonVoided, row.Paid.Sub(row.Voided), "a hard failure took the locked credit back")
	return items, sum, nil
}

// partOf is floor(whole * work / all); zero where all is zero.
func partOf(whole sdkmath.Int, work, all uint64) (sdkmath.Int, error) {
	amount, err := ToAmount(whole)
	if err != nil {
		return whole, err
	}
	share, err := consensus.Share(amount, consensus.NewAmount(work), consensus.NewAmount(all))
	if err != nil {
		return whole, ErrInvalidAmount.Wrap(err.Error())
	}
	return FromAmount(share), nil
}
