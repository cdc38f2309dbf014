package engine

import "math/big"

// Functions of big.Float for the RoPE tables. They use integers only, so they
// give the same on every machine.

// bigPrec is the working precision in bits. A rotation loses at most two units of
// the last place, so that after 2^20 of them more than 200 bits are right: far
// more than a rounding to 24 bits can need.
const bigPrec = 256

func newBig() *big.Float { return new(big.Float).SetPrec(bigPrec) }

func bigInt(n int64) *big.Float { return newBig().SetInt64(n) }

// bigLog returns ln x for x > 0: with x = m·2^e and 1/2 <= m < 1,
// ln x = e·ln 2 + 2·atanh((m-1)/(m+1)).
func bigLog(x *big.Float) *big.Float {
	m := newBig()
	e := x.MantExp(m)
	one := bigInt(1)
	ln2 := bigAtanh2(newBig().Quo(one, bigInt(3)))
	r := bigAtanh2(newBig().Quo(newBig().Sub(m, one), newBig().Add(m, one)))
	return r.Add(r, ln2.Mul(ln2, bigInt(int64(e))))
}

// bigAtanh2 returns 2·atanh(z) for |z| <= 1/3 by its series.
func bigAtanh2(z *big.Float) *big.Float {
	sum, power, square, term := newBig(), newBig().Set(z), newBig().Mul(z, z), newBig()
	for k := int64(1); ; k += 2 {
		term.Quo(power, bigInt(k))
		if negligible(term) {
			return sum.Mul(sum, bigInt(2))
		}
		sum.Add(sum, term)
		power.Mul(power, square)
	}
}

// bigExp returns e^x: the series for x/2^8, squared eight times.
func bigExp(x *big.Float) *big.Float {
	const halvings = 8
	y := newBig().SetMantExp(x, -halvings)
	sum, term := bigInt(1), bigInt(1)
	for k := int64(1); ; k++ {
		term.Quo(term.Mul(term, y), bigInt(k))
		if negligible(term) {
			break
		}
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// bigCosSin returns cos x and sin x for 0 < x <= 1 by their series.
func bigCosSin(x *big.Float) (cos, sin *big.Float) {
	cos, sin = newBig(), newBig()
	term := bigInt(1)
	for k := int64(0); !negligible(term); k++ {
		dst := cos
		if k%2 == 1 {
			dst = sin
		}
		if k%4 < 2 {
			dst.Add(dst, term)
		} else {
			dst.Sub(dst, term)
		}
		term.Quo(term.Mul(term, x), bigInt(k+1))
	}
	return cos, sin
}

// bigPi returns pi by Machin's formula, 16·atan(1/5) - 4·atan(1/239).
func bigPi() *big.Float {
	a := newBig().Mul(bigInt(16), bigAtanOfInverse(5))
	return a.Sub(a, newBig().Mul(bigInt(4), bigAtanOfInverse(239)))
}

// bigAtanOfInverse returns atan(1/n) for n > 1 by its series.
func bigAtanOfInverse(n int64) *big.Float {
	sum, power, square, term := newBig(), newBig().Quo(bigInt(1), bigInt(n)), bigInt(n*n), newBig()
	for k := int64(1); !negligible(power); k += 2 {
		term.Quo(power, bigInt(k))
		if k%4 == 1 {
			sum.Add(sum, term)
		} else {
			sum.Sub(sum, term)
		}
		power.Quo(power, square)
	}
	return sum
}

// negligible says that a series term cannot change the result any more.
func negligible(x *big.Float) bool {
	return x.Sign() == 0 || x.MantExp(nil) < -bigPrec-8
}
