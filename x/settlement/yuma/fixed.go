package yuma

import (
	"math"
	"math/bits"
)

// Fixed is a signed number with 32 bits after the point (I32F32): value * 2^32. Sums
// are plain additions; the sizes that Epoch and Window admit keep them below 2^63.
type Fixed int64

// One is 1.
const One Fixed = 1 << 32

const (
	half Fixed = One / 2
	// expOne is exp(1) as its definition has it: e cut to 23 bits after the point.
	expOne Fixed = 11674931200
	// expLimit bounds the argument of Exp, so that no term of its series overflows.
	expLimit Fixed = 20 * One
	// expTerms is the first term that the series leaves out.
	expTerms = 32
)

// Int is x as a Fixed.
func Int(x uint16) Fixed { return Fixed(x) << 32 }

// Proportion is x/65535, rounded down.
func Proportion(x uint16) Fixed { return Fixed(uint64(x) << 32 / math.MaxUint16) }

// Mul is floor(a*b), saturated at the ends of the range.
func (a Fixed) Mul(b Fixed) Fixed {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	high := int64(hi) // of the signed product, once the wrapped operands are taken out
	if a < 0 {
		high -= int64(b)
	}
	if b < 0 {
		high -= int64(a)
	}
	switch {
	case high > math.MaxInt32:
		return math.MaxInt64
	case high < math.MinInt32:
		return math.MinInt64
	}
	return Fixed(high<<32 | int64(lo>>32))
}

// Div is a/b, rounded toward zero; 0 where b is 0 or the quotient is out of range.
func (a Fixed) Div(b Fixed) Fixed {
	x, y := a.magnitude(), b.magnitude()
	if y == 0 || x>>32 >= y {
		return 0
	}
	q, _ := bits.Div64(x>>32, x<<32, y)
	switch negative := (a < 0) != (b < 0); {
	case negative && q <= 1<<63:
		return -Fixed(q)
	case !negative && q <= math.MaxInt64:
		return Fixed(q)
	}
	return 0
}

func (a Fixed) magnitude() uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// inverses[i] divides v < 2^63 by i, exactly: v*factor >> 64+shift. With factor =
// ceil(2^(64+shift)/i) and i <= 2^(shift+1), factor*i is too large by less than i, and
// v times that by less than 2^(64+shift). A hardware division takes three times as long.
var inverses = func() (table [expTerms]struct {
	factor uint64
	shift  uint
}) {
	for i := uint64(2); i < expTerms; i++ {
		shift := uint(bits.Len64(i-1)) - 1
		table[i].shift = shift
		table[i].factor, _ = bits.Div64(1<<shift, i-1, i)
	}
	return table
}()

// Exp is e^a for a clamped to [-20, 20]: the Taylor series of |a| up to the 31st term,
// each term rounded down twice, and its reciprocal for a negative a.
func (a Fixed) Exp() Fixed {
	a = clamp(a, -expLimit, expLimit)
	if a == One {
		return expOne
	}
	x := a.magnitude()
	sum, term := One+Fixed(x), x
	for i := 2; i < expTerms && term > 0; i++ {
		hi, lo := bits.Mul64(term, x) // below 2^95, as no term exceeds e^20
		hi, _ = bits.Mul64(hi<<32|lo>>32, inverses[i].factor)
		term = hi >> inverses[i].shift
		sum += Fixed(term)
	}
	if a < 0 {
		return One.Div(sum)
	}
	return sum
}

// U16 is floor(a*65535) within [0, 65535]: a proportion as it is stored.
func (a Fixed) U16() uint16 {
	return uint16(clamp(a.Mul(Int(math.MaxUint16))>>32, 0, math.MaxUint16))
}

// Of is floor(a*amount) for a in [0, 1].
func (a Fixed) Of(amount uint64) uint64 {
	hi, lo := bits.Mul64(uint64(clamp(a, 0, One)), amount)
	return hi<<32 | lo>>32
}

func clamp(a, low, high Fixed) Fixed { return max(min(a, high), low) }

func sum(v []Fixed) (total Fixed) {
	for _, x := range v {
		total += x
	}
	return total
}

// normalize divides v by its sum, in place; a sum of 0 leaves it. The result adds up
// to at most One, as every quotient is rounded down.
func normalize(v []Fixed) {
	if total := sum(v); total != 0 {
		for i, x := range v {
			v[i] = x.Div(total)
		}
	}
}

func toU16(v []Fixed) []uint16 {
	out := make([]uint16, len(v))
	for i, x := range v {
		out[i] = x.U16()
	}
	return out
}
