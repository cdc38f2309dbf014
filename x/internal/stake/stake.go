// Package stake holds the rules for shares of the graders' stake: what is more
// than 1/3, 1/2 and 2/3 of all eligible stake. Modules vote by these alone.
package stake

import (
	"errors"

	"github.com/holiman/uint256"

	sdkmath "cosmossdk.io/math"
)

// ErrAmount is wrapped by the errors of FromInt.
var ErrAmount = errors.New("stake: not an amount of 0 to 2^256-1")

// FromInt returns an amount of state as the integer that the rules below take. It
// fails with ErrAmount for one that is missing, negative or beyond 256 bits.
func FromInt(i sdkmath.Int) (uint256.Int, error) {
	if i.IsNil() || i.IsNegative() {
		return uint256.Int{}, ErrAmount
	}
	a, over := uint256.FromBig(i.BigIntMut()) // read only
	if over {
		return uint256.Int{}, ErrAmount
	}
	return *a, nil
}

// MoreThanThird reports whether part is more than 1/3 of whole; false if part > whole.
func MoreThanThird(part, whole uint256.Int) bool {
	rest, ok := minus(whole, part)
	if !ok {
		return false
	}
	// 2*part > rest, without the product.
	gap, ok := minus(rest, part)
	return !ok || part.Gt(&gap)
}

// MoreThanHalf reports whether part is more than 1/2 of whole; false if part > whole.
func MoreThanHalf(part, whole uint256.Int) bool {
	rest, ok := minus(whole, part)
	return ok && part.Gt(&rest)
}

// MoreThanTwoThirds reports whether part is more than 2/3 of whole; false if part > whole.
func MoreThanTwoThirds(part, whole uint256.Int) bool {
	rest, ok := minus(whole, part)
	if !ok {
		return false
	}
	// part > 2*rest, without the product.
	lead, ok := minus(part, rest)
	return ok && lead.Gt(&rest)
}

// minus is a-b; false if that is negative.
func minus(a, b uint256.Int) (uint256.Int, bool) {
	var z uint256.Int
	_, under := z.SubOverflow(&a, &b)
	return z, !under
}
