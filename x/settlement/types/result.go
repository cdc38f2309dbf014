package types

import (
	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/rl/verify"
)

// NewWindowResult is a window of which nothing is known yet.
func NewWindowResult(run, window uint64) WindowResult {
	zero := sdkmath.ZeroInt()
	return WindowResult{
		Run: run, Window: window,
		Minted: zero, Miners: zero, Graders: zero, Learner: zero, Validators: zero, Pool: zero,
		RevealedStake: zero,
	}
}

// NewRunTotals are those of a run that settled nothing yet.
func NewRunTotals(run uint64) RunTotals {
	return RunTotals{Run: run, Minted: sdkmath.ZeroInt(), MeanPayPerGroup: sdkmath.ZeroInt()}
}

// Balanced returns ErrInvalidAmount unless minted = miners + graders + learner +
// validators + pool, exactly, none of them negative.
func (r WindowResult) Balanced() error {
	if err := notNegative(r.RevealedStake); err != nil {
		return err
	}
	sum, err := Sum(r.Miners, r.Graders, r.Learner, r.Validators, r.Pool)
	if err != nil {
		return err
	}
	if err := notNegative(r.Minted); err != nil {
		return err
	}
	if !sum.Equal(r.Minted) {
		return ErrInvalidAmount.Wrapf("window %d of run %d: minted %s, parts add up to %s", r.Window, r.Run, r.Minted, sum)
	}
	return nil
}

// Sum adds amounts; it fails with ErrInvalidAmount if one is missing or negative, or
// the sum is beyond 256 bits.
func Sum(amounts ...sdkmath.Int) (sdkmath.Int, error) {
	sum := sdkmath.ZeroInt()
	for _, a := range amounts {
		if err := notNegative(a); err != nil {
			return sum, ErrInvalidAmount.Wrap(err.Error())
		}
		var err error
		if sum, err = sum.SafeAdd(a); err != nil {
			return sum, ErrInvalidAmount.Wrap(err.Error())
		}
	}
	return sum, nil
}

// Unspent is what the module account still holds of the window's emission, beside the
// credits: minted less everything paid out or credited so far. It fails with
// ErrInvalidAmount if that is negative.
func (c Cursor) Unspent() (sdkmath.Int, error) {
	spent, err := Sum(c.Paid, c.Result.Graders, c.Result.Learner, c.Result.Validators, c.Result.Pool)
	if err != nil {
		return spent, err
	}
	if err := notNegative(c.Result.Minted, c.MinersPool); err != nil {
		return spent, ErrInvalidAmount.Wrap(err.Error())
	}
	if spent.GT(c.Result.Minted) || c.Paid.GT(c.MinersPool) {
		return spent, ErrInvalidAmount.Wrapf("window %d of run %d: %s spent of %s", c.Window, c.Run, spent, c.Result.Minted)
	}
	return c.Result.Minted.Sub(spent), nil
}

// Unlocked reports whether the credit can be claimed: lock further windows are CLOSED
// or VOID, of the first settled ones.
func (c Credit) Unlocked(settled uint64, lock uint32) bool {
	return settled > c.Window && settled-c.Window-1 >= uint64(lock)
}

// Name is the code's name as package verify and all tables spell it, such as "bad_sample".
func (c VerdictCode) Name() string { return verify.Code(uint32(c)).String() }
