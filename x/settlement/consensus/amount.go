package consensus

import (
	"errors"

	"github.com/holiman/uint256"

	"github.com/galahad-network/galahad/x/internal/stake"
)

// Million is the denominator of rates in parts per million.
const Million = 1_000_000

// Errors of this package.
var (
	// ErrOverflow is returned where a sum or product of amounts does not fit 256 bits.
	ErrOverflow = errors.New("consensus: amount overflows 256 bits")
	// ErrShape is returned for inputs whose lengths do not belong together.
	ErrShape = errors.New("consensus: lengths of the inputs differ")
	// ErrRange is returned for an input outside of its range.
	ErrRange = errors.New("consensus: input out of range")
)

// Amount is a number of agal or of stake: 0 <= a < 2^256.
type Amount = uint256.Int

// NewAmount returns x as an Amount.
func NewAmount(x uint64) Amount { return *uint256.NewInt(x) }

// Add returns a+b, or ErrOverflow.
func Add(a, b Amount) (Amount, error) {
	var z Amount
	if _, over := z.AddOverflow(&a, &b); over {
		return Amount{}, ErrOverflow
	}
	return z, nil
}

// Sub returns a-b, or ErrOverflow if b > a.
func Sub(a, b Amount) (Amount, error) {
	var z Amount
	if _, under := z.SubOverflow(&a, &b); under {
		return Amount{}, ErrOverflow
	}
	return z, nil
}

// Mul returns a*b, or ErrOverflow.
func Mul(a, b Amount) (Amount, error) {
	var z Amount
	if _, over := z.MulOverflow(&a, &b); over {
		return Amount{}, ErrOverflow
	}
	return z, nil
}

// Share returns floor(total*part/whole) with a product of 512 bits. A whole of zero
// gives zero. It fails with ErrRange if part > whole.
func Share(total, part, whole Amount) (Amount, error) {
	if part.Gt(&whole) {
		return Amount{}, ErrRange
	}
	if whole.IsZero() {
		return Amount{}, nil
	}
	var z Amount
	if _, over := z.MulDivOverflow(&total, &part, &whole); over {
		return Amount{}, ErrOverflow
	}
	return z, nil
}

// SharePPM returns floor(total*ppm/1e6). It fails with ErrRange above 1e6.
func SharePPM(total Amount, ppm uint32) (Amount, error) {
	return Share(total, NewAmount(uint64(ppm)), NewAmount(Million))
}

// MoreThanHalf reports whether part is more than 1/2 of whole, part <= whole.
func MoreThanHalf(part, whole Amount) bool { return stake.MoreThanHalf(part, whole) }

// MoreThanTwoThirds reports whether part is more than 2/3 of whole, part <= whole.
func MoreThanTwoThirds(part, whole Amount) bool { return stake.MoreThanTwoThirds(part, whole) }
