package types

import (
	"github.com/holiman/uint256"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/internal/stake"
)

// Attested reports whether more than 2/3 of the eligible stake attested c.
func (c Checkpoint) Attested() bool {
	return carries(stake.MoreThanTwoThirds, c.AttestedStake, c.EligibleStake)
}

// Refused reports whether more than 1/3 of the eligible stake rejected c, so that
// it can never be attested.
func (c Checkpoint) Refused() bool {
	return carries(stake.MoreThanThird, c.RejectedStake, c.EligibleStake)
}

// Recalled reports whether more than 2/3 of the eligible stake voted to return to
// c's parent.
func (c Checkpoint) Recalled() bool {
	return carries(stake.MoreThanTwoThirds, c.RollbackStake, c.RollbackEligibleStake)
}

// Ready reports whether a PENDING version may be active from height on, if its
// parent is: its delay has passed, or it is attested where it has none.
func (c Checkpoint) Ready(height int64) bool {
	if c.ActivatesHeight != 0 {
		return c.ActivatesHeight <= height
	}
	return c.Attested()
}

// carries applies a rule; nothing carries where a stake is not an amount.
func carries(rule func(part, whole uint256.Int) bool, part, whole sdkmath.Int) bool {
	p, err := stake.FromInt(part)
	if err != nil {
		return false
	}
	w, err := stake.FromInt(whole)
	return err == nil && rule(p, w)
}
