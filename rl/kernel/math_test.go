package kernel

import (
	"math"
	"math/big"
	"os"
	"testing"
)

// ExhaustiveEnv makes the tests of Exp and Log try every float32.
const exhaustiveEnv = "GALAHAD_EXHAUSTIVE"

// ulp returns the distance from |x|, rounded to float32, to the next float32.
func ulp(x float64) float64 {
	e := max(math.Ilogb(x), -126)
	return math.Ldexp(1, e-23)
}

// sampleStep is the distance of the float32 bits that tests of a function of one
// number try: 1 where exhaustiveEnv is set, few with -short.
func sampleStep() uint32 {
	switch {
	case os.Getenv(exhaustiveEnv) != "":
		return 1
	case testing.Short():
		return 9973
	}
	return 97
}

// sweep calls f with float32 bits in [lo, hi], all of them or a sample.
func sweep(lo, hi uint32, f func(x float32)) {
	step := sampleStep()
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
		if err := math.Abs(float64(Exp(x))-want) / ulp(want); err > worst {
			worst, at = err, x
		}
	}
	sweep(0, math.Float32bits(expMax), check)
	sweep(0x80000000, math.Float32bits(expMin), check)
	t.Logf("largest error %.4f ulp at %v", worst, at)
	if worst > 1 {
		t.Errorf("Exp(%v) is off by %v ulp", at, worst)
	}
}

func TestLogWithinOneUlp(t *testing.T) {
	worst, at := 0.0, float32(0)
	sweep(1, math.Float32bits(math.MaxFloat32), func(x float32) {
		want := math.Log(float64(x))
		if want == 0 {
			if Log(x) != 0 {
				t.Errorf("Log(1) = %v", Log(x))
			}
			return
		}
		if err := math.Abs(float64(Log(x))-want) / ulp(want); err > worst {
			worst, at = err, x
		}
	})
	t.Logf("largest error %.4f ulp at %v", worst, at)
	if worst > 1 {
		t.Errorf("Log(%v) is off by %v ulp", at, worst)
	}
}

func TestExpAndLogAtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	below, above := math.Nextafter32(expMin, -inf), math.Nextafter32(expMax, inf)
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"exp(0)", Exp(0), 1}, {"exp(-0)", Exp(float32(math.Copysign(0, -1))), 1},
		{"exp(below the range)", Exp(below), 0}, {"exp(-Inf)", Exp(-inf), 0},
		{"exp(above the range)", Exp(above), inf}, {"exp(+Inf)", Exp(inf), inf},
		{"log(0)", Log(0), -inf}, {"log(+Inf)", Log(inf), inf}, {"log(1)", Log(1), 0},
	} {
		if math.Float32bits(c.got) != math.Float32bits(c.want) {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	weird := math.Float32frombits(0xffc12345)
	for _, x := range []float32{Exp(weird), Log(weird), Log(-1), Log(-inf)} {
		if math.Float32bits(x) != 0x7fc00000 {
			t.Errorf("NaN with bits %#x", math.Float32bits(x))
		}
	}
	if x := Exp(expMin); x < 0x1p-126 {
		t.Errorf("exp at the lower end is subnormal: %v", x)
	}
}

// TestConstantsAreNearest checks 1/n and 1/sqrt(n) against exact arithmetic.
func TestConstantsAreNearest(t *testing.T) {
	for n := 1; n <= 4096; n++ {
		exact := new(big.Float).SetPrec(300).SetInt64(int64(n))
		inverse, _ := new(big.Float).SetPrec(300).Quo(big.NewFloat(1), exact).Float32()
		if got := Inverse(n); got != inverse {
			t.Fatalf("1/%d = %x, want %x", n, got, inverse)
		}
		root := new(big.Float).SetPrec(300).Sqrt(exact)
		want, _ := root.Quo(big.NewFloat(1).SetPrec(300), root).Float32()
		if got := InverseSqrt(n); got != want {
			t.Fatalf("1/sqrt(%d) = %x, want %x", n, got, want)
		}
	}
}
