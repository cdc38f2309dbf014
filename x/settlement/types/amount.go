package types

import (
	"github.com/holiman/uint256"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// ToAmount converts an amount of state to the arithmetic of package consensus. It
// fails with ErrInvalidAmount for a missing or negative one.
func ToAmount(i sdkmath.Int) (consensus.Amount, error) {
	if i.IsNil() || i.IsNegative() {
		return consensus.Amount{}, ErrInvalidAmount.Wrap("missing or negative")
	}
	a, over := uint256.FromBig(i.BigIntMut()) // read only
	if over {
		return consensus.Amount{}, ErrInvalidAmount.Wrap("beyond 256 bits")
	}
	return *a, nil
}

// FromAmount converts back. Every Amount fits a math.Int.
func FromAmount(a consensus.Amount) sdkmath.Int {
	return sdkmath.NewIntFromBigInt(a.ToBig())
}
