package engine

import (
	"math"
	"math/big"
)

// ropeTable holds cos and sin of position * theta^(-2i/d) for every position of
// the context and i < d/2, correctly rounded to float32: row-major, d/2 wide.
type ropeTable struct {
	half     int
	cos, sin []float32
}

// bigPrec is the working precision of the tables in bits. A rotation loses at
// most two bits per position in the last place, so that after 2^20 positions more
// than 200 bits are right: far more than a rounding to 24 bits can need.
const bigPrec = 256

func newBig() *big.Float { return new(big.Float).SetPrec(bigPrec) }

// newRopeTable computes the table. The platform's pow, cos and sin may differ
// in the last bit between architectures, so this uses integers only (math/big):
// the sine of one step's angle by series, then one rotation per position.
func newRopeTable(theta float64, dim, positions int) *ropeTable {
	half := dim / 2
	t := &ropeTable{half: half, cos: make([]float32, positions*half), sin: make([]float32, positions*half)}
	lnTheta := bigLog(newBig().SetFloat64(theta))
	a, b := newBig(), newBig()
	for i := range half {
		exponent := newBig().Quo(newBig().SetInt64(int64(-2*i)), newBig().SetInt64(int64(dim)))
		c1, s1 := bigCosSin(bigExp(exponent.Mul(exponent, lnTheta)))
		c, s := newBig().SetInt64(1), newBig()
		nc := newBig()
		for pos := range positions {
			t.cos[pos*half+i], _ = c.Float32()
			t.sin[pos*half+i], _ = s.Float32()
			nc.Sub(a.Mul(c, c1), b.Mul(s, s1))
			s.Add(a.Mul(s, c1), b.Mul(c, s1))
			c.Set(nc)
		}
	}
	return t
}

// bigLog returns ln x for x > 0: with x = m·2^e and 1/2 <= m < 1,
// ln x = e·ln 2 + 2·atanh((m-1)/(m+1)).
func bigLog(x *big.Float) *big.Float {
	m := newBig()
	e := x.MantExp(m)
	one := newBig().SetInt64(1)
	ln2 := bigAtanh2(newBig().Quo(one, newBig().SetInt64(3)))
	r := bigAtanh2(newBig().Quo(newBig().Sub(m, one), newBig().Add(m, one)))
	return r.Add(r, ln2.Mul(ln2, newBig().SetInt64(int64(e))))
}

// bigAtanh2 returns 2·atanh(z) for |z| <= 1/3 by its series.
func bigAtanh2(z *big.Float) *big.Float {
	sum, power, square, term := newBig(), newBig().Set(z), newBig().Mul(z, z), newBig()
	for k := int64(1); ; k += 2 {
		term.Quo(power, newBig().SetInt64(k))
		if negligible(term) {
			return sum.Mul(sum, newBig().SetInt64(2))
		}
		sum.Add(sum, term)
		power.Mul(power, square)
	}
}

// bigExp returns e^x: the series for x/2^8, squared eight times.
func bigExp(x *big.Float) *big.Float {
	const halvings = 8
	y := newBig().SetMantExp(x, -halvings)
	sum, term := newBig().SetInt64(1), newBig().SetInt64(1)
	for k := int64(1); ; k++ {
		term.Quo(term.Mul(term, y), newBig().SetInt64(k))
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
	term := newBig().SetInt64(1)
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
		term.Quo(term.Mul(term, x), newBig().SetInt64(k+1))
	}
	return cos, sin
}

// negligible says that a series term cannot change the result any more.
func negligible(x *big.Float) bool {
	return x.Sign() == 0 || x.MantExp(nil) < -bigPrec-8
}

// rotate applies the rotation of pos to one head vector (x[i], x[i+d/2]).
func (t *ropeTable) rotate(x []float32, pos int) {
	h := t.half
	cos, sin := t.cos[pos*h:pos*h+h], t.sin[pos*h:pos*h+h]
	lo, hi := x[:h], x[h:2*h]
	for i, c := range cos {
		s, a, b := sin[i], lo[i], hi[i]
		lo[i] = float32(a*c) - float32(b*s)
		hi[i] = float32(b*c) + float32(a*s)
	}
}

// rotateBack applies the transpose of rotate: the gradient through it.
func (t *ropeTable) rotateBack(x []float32, pos int) {
	h := t.half
	cos, sin := t.cos[pos*h:pos*h+h], t.sin[pos*h:pos*h+h]
	lo, hi := x[:h], x[h:2*h]
	for i, c := range cos {
		s, a, b := sin[i], lo[i], hi[i]
		lo[i] = float32(a*c) + float32(b*s)
		hi[i] = float32(b*c) - float32(a*s)
	}
}

// canonical replaces every NaN by the one with bits 0x7fc00000: the sign and
// payload of a computed NaN differ between x86 and arm.
func canonical(x []float32) {
	for i, v := range x {
		if v != v {
			x[i] = math.Float32frombits(0x7fc00000)
		}
	}
}
