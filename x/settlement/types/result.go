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
		RevealedStake: zero, EligibleStake: zero, MinersPart: zero, GradersPart: zero,
	}
}

// NewRunTotals are those of a run that settled nothing yet.
func NewRunTotals(run uint64) RunTotals {
	zero := sdkmath.ZeroInt()
	return RunTotals{
		Run: run, Minted: zero, MeanPayPerGroup: zero, Miners: zero, Graders: zero, Learner: zero, Validators: zero,
		Pool: zero, Claimed: zero, Voided: zero, Expired: zero,
	}
}

// Add adds what a window that is over minted and what became of it.
func (t *RunTotals) Add(r WindowResult) error {
	for _, x := range []struct {
		sum  *sdkmath.Int
		part sdkmath.Int
	}{
		{&t.Minted, r.Minted}, {&t.Miners, r.Miners}, {&t.Graders, r.Graders}, {&t.Learner, r.Learner},
		{&t.Validators, r.Validators}, {&t.Pool, r.Pool},
	} {
		var err error
		if *x.sum, err = Sum(*x.sum, x.part); err != nil {
			return err
		}
	}
	return nil
}

// Balanced returns ErrInvalidAmount unless minted = miners + graders + learner +
// validators + pool, exactly, none of them negative.
func (t RunTotals) Balanced() error {
	sum, err := Sum(t.Miners, t.Graders, t.Learner, t.Validators, t.Pool)
	if err != nil {
		return err
	}
	if err := notNegative(t.Minted, t.MeanPayPerGroup, t.Claimed, t.Voided, t.Expired); err != nil {
		return ErrInvalidAmount.Wrap(err.Error())
	}
	if !sum.Equal(t.Minted) {
		return ErrInvalidAmount.Wrapf("run %d: minted %s, parts add up to %s", t.Run, t.Minted, sum)
	}
	return nil
}

// Balanced returns ErrInvalidAmount unless minted = miners + graders + learner +
// validators + pool, exactly, none of them negative.
func (r WindowResult) Balanced() error {
	if err := notNegative(r.RevealedStake, r.EligibleStake, r.MinersPart, r.GradersPart); err != nil {
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
	if err := notNegative(c.Result.Minted, c.Result.MinersPart); err != nil {
		return spent, ErrInvalidAmount.Wrap(err.Error())
	}
	if spent.GT(c.Result.Minted) || c.Paid.GT(c.Result.MinersPart) {
		return spent, ErrInvalidAmount.Wrapf("window %d of run %d: %s spent of %s", c.Window, c.Run, spent, c.Result.Minted)
	}
	return c.Result.Minted.Sub(spent), nil
}

// Unlocked reports whether the credit can be claimed: lock further windows are CLOSED
// or VOID, of the first settled ones, or its run lay idle.
func (c Credit) Unlocked(t RunTotals, lock uint32) bool { return c.Window < t.FirstLocked(lock) }

// FirstLocked is the oldest window whose credits are locked: all before it are not.
func (t RunTotals) FirstLocked(lock uint32) uint64 {
	return max(t.SettledWindows-min(t.SettledWindows, uint64(lock)), t.UnlockedWindows)
}

// Covers reports whether a marker voids the miner's credit of a window.
func (m SlashMarker) Covers(window uint64) bool { return m.FromWindow <= window && window < m.ToWindow }

// Name is the code's name as package verify and all tables spell it, such as "bad_sample".
func (c VerdictCode) Name() string { return verify.Code(uint32(c)).String() }

// Name is the source as tables spell it, such as "verdict".
func (s SlashSource) Name() string {
	switch s {
	case SlashSource_SLASH_SOURCE_VERDICT:
		return "verdict"
	case SlashSource_SLASH_SOURCE_UNAVAILABLE:
		return "unavailable"
	case SlashSource_SLASH_SOURCE_PROOF:
		return "proof"
	default:
		return "unknown"
	}
}
