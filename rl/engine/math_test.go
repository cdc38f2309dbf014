package engine

import (
	"math"
	"math/big"
	"os"
	"testing"
)

// ExhaustiveEnv makes the tests of exp32 and log32 try every float32.
const exhaustiveEnv = "GALAHAD_EXHAUSTIVE"

// ulp returns the distance from |x|, rounded to float32, to the next float32.
func ulp(x float64) float64 {
	e := max(math.Ilogb(x), -126)
	return math.Ldexp(1, e-23)
}

// sweep calls f with float32 bits in [lo, hi], all of them or a dense sample.
func sweep(lo, hi uint32, f func(x float32)) {
	step := uint32(97)
	if os.Getenv(exhaustiveEnv) != "" {
		step = 1
	}
	for u := uint64(lo); u <= uint64(hi); u += uint64(step) {
		f(math.Float32frombits(uint32(u)))
	}
	f(math.Float32frombits(hi))
}

// TestExpWithinOneUlp compares with float64's exp, whose error of 1 ulp of
// float64 is nothing here.
func TestExpWithinOneUlp(t *testing.T) {
	worst, at := 0.0, float32(0)
	check := func(x float32) {
		want := math.Exp(float64(x))
		if err := math.Abs(float64(exp32(x))-want) / ulp(want); err > worst {
			worst, at = err, x
		}
	}
	sweep(0, math.Float32bits(expMax), check)
	sweep(0x80000000, math.Float32bits(expMin), check)
	t.Logf("largest error %.4f ulp at %v", worst, at)
	if worst > 1 {
		t.Errorf("exp32(%v) is off by %v ulp", at, worst)
	}
}

func TestLogWithinOneUlp(t *testing.T) {
	worst, at := 0.0, float32(0)
	sweep(1, math.Float32bits(math.MaxFloat32), func(x float32) {
		want := math.Log(float64(x))
		if want == 0 {
			if log32(x) != 0 {
				t.Errorf("log32(1) = %v", log32(x))
			}
			return
		}
		if err := math.Abs(float64(log32(x))-want) / ulp(want); err > worst {
			worst, at = err, x
		}
	})
	t.Logf("largest error %.4f ulp at %v", worst, at)
	if worst > 1 {
		t.Errorf("log32(%v) is off by %v ulp", at, worst)
	}
}

func TestExpAndLogAtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	below, above := math.Nextafter32(expMin, -inf), math.Nextafter32(expMax, inf)
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"exp(0)", exp32(0), 1}, {"exp(-0)", exp32(float32(math.Copysign(0, -1))), 1},
		{"exp(below the range)", exp32(below), 0}, {"exp(-Inf)", exp32(-inf), 0},
		{"exp(above the range)", exp32(above), inf}, {"exp(+Inf)", exp32(inf), inf},
		{"log(0)", log32(0), -inf}, {"log(+Inf)", log32(inf), inf}, {"log(1)", log32(1), 0},
	} {
		if math.Float32bits(c.got) != math.Float32bits(c.want) {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	weird := math.Float32frombits(0xffc12345)
	for _, x := range []float32{exp32(weird), log32(weird), log32(-1), log32(-inf)} {
		if math.Float32bits(x) != 0x7fc00000 {
			t.Errorf("NaN with bits %#x", math.Float32bits(x))
		}
	}
	if x := exp32(expMin); x < 0x1p-126 {
		t.Errorf("exp at the lower end is subnormal: %v", x)
	}
}

// TestConstantsAreNearest checks 1/n and 1/sqrt(n) against exact arithmetic.
func TestConstantsAreNearest(t *testing.T) {
	for n := 1; n <= 4096; n++ {
		exact := new(big.Float).SetPrec(300).SetInt64(int64(n))
		inverse, _ := new(big.Float).SetPrec(300).Quo(big.NewFloat(1), exact).Float32()
		if got := inverseOf(n); got != inverse {
			t.Fatalf("1/%d = %x, want %x", n, got, inverse)
		}
		root := new(big.Float).SetPrec(300).Sqrt(exact)
		want, _ := root.Quo(big.NewFloat(1).SetPrec(300), root).Float32()
		if got := inverseSqrtOf(n); got != want {
			t.Fatalf("1/sqrt(%d) = %x, want %x", n, got, want)
		}
	}
}

// TestRopeTableIsNearest compares with float64's functions: the table may differ
// from their rounding only where they are within their own error of a tie.
func TestRopeTableIsNearest(t *testing.T) {
	for _, c := range []struct {
		theta     float64
		dim, long int
	}{{10000, 16, 64}, {1e6, 64, 300}, {500000, 6, 2000}, {1, 4, 10}} {
		table := newRopeTable(c.theta, c.dim, c.long)
		for pos := range c.long {
			for i := range c.dim / 2 {
				angle := float64(pos) * math.Pow(c.theta, -2*float64(i)/float64(c.dim))
				slack := 1e-15 * (angle + 1) // of pow and of the product
				for _, v := range []struct {
					got  float32
					want float64
				}{{table.cos[pos*table.half+i], math.Cos(angle)}, {table.sin[pos*table.half+i], math.Sin(angle)}} {
					if math.Abs(float64(v.got)-v.want) > ulp(v.want)/2+slack {
						t.Fatalf("theta %v, position %d, pair %d: %x, want %x", c.theta, pos, i, v.got, v.want)
					}
				}
			}
		}
	}
}

// TestRopeTableEndsExact computes one late entry directly, without rotations.
func TestRopeTableEndsExact(t *testing.T) {
	const theta, dim, pos = 10000, 16, 4000
	table := newRopeTable(theta, dim, pos+1)
	twoPi := newBig().Mul(newBig().SetInt64(8), atan1())
	for i := range dim / 2 {
		e := newBig().Quo(newBig().SetInt64(int64(-2*i)), newBig().SetInt64(dim))
		angle := bigExp(e.Mul(e, bigLog(newBig().SetInt64(theta))))
		angle.Mul(angle, newBig().SetInt64(pos))
		turns, _ := newBig().Quo(angle, twoPi).Int(nil)
		angle.Sub(angle, newBig().Mul(twoPi, newBig().SetInt(turns)))
		// Halve until the series converges fast, then double.
		angle.SetMantExp(angle, -4)
		c, s := bigCosSin(angle)
		for range 4 {
			c, s = newBig().Sub(newBig().Mul(c, c), newBig().Mul(s, s)), newBig().Mul(newBig().SetInt64(2), newBig().Mul(c, s))
		}
		cos, _ := c.Float32()
		sin, _ := s.Float32()
		if table.cos[pos*table.half+i] != cos || table.sin[pos*table.half+i] != sin {
			t.Errorf("pair %d: %x %x, want %x %x", i, table.cos[pos*table.half+i], table.sin[pos*table.half+i], cos, sin)
		}
	}
}

// atan1 returns pi/4 by Machin's formula.
func atan1() *big.Float {
	atanInverse := func(n int64) *big.Float {
		sum, x, n2 := newBig(), newBig().Quo(newBig().SetInt64(1), newBig().SetInt64(n)), newBig().SetInt64(n*n)
		for k := int64(1); !negligible(x); k += 2 {
			term := newBig().Quo(x, newBig().SetInt64(k))
			if k%4 == 1 {
				sum.Add(sum, term)
			} else {
				sum.Sub(sum, term)
			}
			x.Quo(x, n2)
		}
		return sum
	}
	return newBig().Sub(newBig().Mul(newBig().SetInt64(4), atanInverse(5)), atanInverse(239))
}
