package kernel

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// newRand returns a generator and logs its seed, so that a failure can be repeated.
func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func randomFloats(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// slowFMA is a*b + c with one rounding, by exact arithmetic.
func slowFMA(a, b, c float32) float32 {
	x, y, z := float64(a), float64(b), float64(c)
	if s := x*y + z; math.IsNaN(s) || math.IsInf(s, 0) {
		return float32(s)
	}
	// 600 bits hold every product and sum of float32 exactly.
	p := new(big.Float).SetPrec(600).SetFloat64(x)
	p.Mul(p, new(big.Float).SetFloat64(y))
	p.Add(p, new(big.Float).SetFloat64(z))
	if p.Sign() == 0 {
		return float32(x*y + z) // the sign of zero is float64's
	}
	r, _ := p.Float32()
	return r
}

func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || (a != a && b != b)
}

// awkward draws numbers of the kinds that make a double rounding go wrong: few
// bits, close to ties, subnormal, huge, zeros, sometimes not finite.
func awkward(r *rand.Rand) float32 {
	u := r.Uint32()
	switch r.IntN(8) {
	case 0: // any bits, infinities and NaN too
		return math.Float32frombits(u)
	case 1: // bfloat16
		return Widen(uint16(u))
	case 2: // subnormal or nearly
		return math.Float32frombits(u & 0x80ffffff)
	case 3: // a small integer
		return float32(int32(u) >> 24)
	case 4: // a power of two
		return math.Float32frombits(u & 0xff800000)
	case 5: // half an ulp or so of numbers around 1
		return math.Float32frombits(0x33000000 + u&0x81ffffff)
	default:
		return math.Float32frombits(u&0x80ffffff | 0x3f000000)
	}
}

func TestFMAHasOneRounding(t *testing.T) {
	r := newRand(t)
	for range 300000 {
		a, b, c := awkward(r), awkward(r), awkward(r)
		if got, want := FMA(a, b, c), slowFMA(a, b, c); !sameBits(got, want) {
			t.Fatalf("fma(%x, %x, %x) = %x, want %x", a, b, c, got, want)
		}
	}
	// (1+2^-23)·(1+2^-23) is a hair above a tie that the float64 sum hides.
	tiny := math.Float32frombits(0x00000001)
	for _, x := range [][3]float32{
		{1 + 0x1p-12, 1 + 0x1p-12, tiny}, {0x1p-24, 1, 1}, {0x1p-24, 1 + 0x1p-23, 1}, {-0x1p-24, 1, 1 + 0x1p-23},
		{0x1p-75, 0x1p-75, 0x1p-149}, {0x1p-75, -0x1p-75, 0x1p-149}, {0x1.8p-75, 0x1p-75, 0}, {0x1p-100, 0x1p-100, -0x1p-126},
		{0x1.fffffep127, 1, 0x1p103}, {0x1.fffffep127, 1, 0x1.fffffep102}, {-1, 0, 0}, {0x1p-100, -0x1p-100, 0},
	} {
		if got, want := FMA(x[0], x[1], x[2]), slowFMA(x[0], x[1], x[2]); !sameBits(got, want) {
			t.Errorf("fma(%x, %x, %x) = %x, want %x", x[0], x[1], x[2], got, want)
		}
	}
}

// TestRoundToOdd compares with exact arithmetic: the sum itself where float64 holds
// it, else the neighbour with an odd last bit.
func TestRoundToOdd(t *testing.T) {
	r := newRand(t)
	for range 100000 {
		p := float64(awkward(r)) * float64(awkward(r))
		c := float64(awkward(r))
		if s := p + c; s == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
			continue
		}
		exact := new(big.Float).SetPrec(700).SetFloat64(p)
		exact.Add(exact, new(big.Float).SetFloat64(c))
		got := roundToOdd(p, c, p+c)
		down, accuracy := new(big.Float).SetPrec(53).SetMode(big.ToZero).Set(exact).Float64()
		want := down
		if accuracy != big.Exact || exact.Cmp(new(big.Float).SetFloat64(down)) != 0 {
			want = math.Float64frombits(math.Float64bits(down) | 1)
		}
		if got != want {
			t.Fatalf("%x + %x: %x, want %x", p, c, got, want)
		}
	}
}

// matmulSlow is the rule itself.
func matmulSlow(c []float32, ldc int, a []float32, lda int, b []float32, ldb int, m, n, k int, add bool) {
	for i := range m {
		for j := range n {
			var acc float32
			if add {
				acc = c[i*ldc+j]
			}
			for t := range k {
				acc = FMA(a[i*lda+t], b[t*ldb+j], acc)
			}
			c[i*ldc+j] = acc
		}
	}
}

// TestMatmulEqualsReference compares every kernel with the rule, bit by bit, over
// random shapes from 1 to 70, leading dimensions, and kinds of numbers; memory
// outside the result must stay untouched.
func TestMatmulEqualsReference(t *testing.T) {
	for _, kern := range available {
		t.Run(kern.Name(), func(t *testing.T) { matmulEqualsReference(t, kern) })
	}
}

func matmulEqualsReference(t *testing.T, kern Kernel) {
	r := newRand(t)
	// Each kind gives element t of the reduction, for A and for B.
	near := func(scaleA, scaleB, start float32) func(t int, b bool) float32 {
		steps := make([]float32, packK+70)
		for i := range steps {
			steps[i] = float32(r.IntN(1<<10)) * 0x1p-23
		}
		return func(t int, b bool) float32 {
			switch {
			case t%2 == 0 && !b:
				return scaleA
			case t%2 == 0: // the accumulator moves
				return start * float32(r.IntN(1<<20)-1<<19)
			case !b:
				return scaleA * (1 + steps[t])
			default: // times 1 + step this is a hair below a tie of the accumulator
				return scaleB * (1 - steps[t]) * float32(1-2*r.IntN(2))
			}
		}
	}
	plain := func(f func() float32) func(int, bool) float32 { return func(int, bool) float32 { return f() } }
	kinds := map[string]func(t int, b bool) float32{
		"near ties":           near(1, 0x1p-24, 0x1p-19),
		"near subnormal ties": near(0x1p-75, 0x1p-75, 0x1p-74),

		"normal":   plain(func() float32 { return float32(r.NormFloat64()) }),
		"bfloat16": plain(func() float32 { return Widen(RoundBF16(float32(r.NormFloat64()))) }),
		"awkward":  plain(func() float32 { return awkward(r) }),
		"tiny":     plain(func() float32 { return float32(r.NormFloat64() * 1e-22) }),
		"sparse":   plain(func() float32 { return float32(r.NormFloat64()) * float32(r.IntN(2)) }),
	}
	for name, number := range kinds {
		rounds := 60
		if testing.Short() {
			rounds = 5
		}
		for round := range rounds {
			m, n, k := 1+r.IntN(70), 1+r.IntN(70), 1+r.IntN(70)
			if round == 0 {
				k = packK + 50 // two blocks
			}
			lda, ldb, ldc := k+r.IntN(5), n+r.IntN(5), n+r.IntN(5)
			a, b, c := make([]float32, m*lda), make([]float32, k*ldb), make([]float32, m*ldc)
			for i := range a {
				a[i] = number(i%lda, false)
			}
			for i := range b {
				b[i] = number(i/ldb, true)
			}
			for i := range c {
				c[i] = number(0, true)
			}
			want := append([]float32(nil), c...)
			add := r.IntN(2) == 0
			matmulSlow(want, ldc, a, lda, b, ldb, m, n, k, add)
			kern.Mul(c, ldc, a, lda, 1, b, ldb, m, n, k, add)
			for i := range c {
				if !sameBits(c[i], want[i]) {
					t.Fatalf("%s %dx%dx%d add=%v: row %d column %d: %x, want %x", name, m, n, k, add, i/ldc, i%ldc, c[i], want[i])
				}
			}
		}
	}
}

// TestMatmulErrorBound checks the classical bound of a recursive sum against
// float64: |error| <= k·2^-24/(1-k·2^-24) · sum |a·b|.
func TestMatmulErrorBound(t *testing.T) {
	for _, kern := range available {
		t.Run(kern.Name(), func(t *testing.T) { matmulErrorBound(t, kern) })
	}
}

func matmulErrorBound(t *testing.T, kern Kernel) {
	const m, n, k = 13, 21, 300
	a, b, c := randomFloats(1, m*k), randomFloats(2, k*n), make([]float32, m*n)
	kern.Mul(c, n, a, k, 1, b, n, m, n, k, false)
	for i := range m {
		for j := range n {
			var exact, size float64
			for s := range k {
				p := float64(a[i*k+s]) * float64(b[s*n+j])
				exact += p
				size += math.Abs(p)
			}
			if err := math.Abs(float64(c[i*n+j]) - exact); err > k*0x1p-24*1.0001*size {
				t.Fatalf("[%d,%d] is off by %g, sum of magnitudes %g", i, j, err, size)
			}
		}
	}
}

// TestReductionOrder pins rule by rule: lanes of 16, then halves, tail skipped.
func TestReductionOrder(t *testing.T) {
	for _, n := range []int{1, 5, 15, 16, 17, 31, 32, 33, 64, 100} {
		a, b := randomFloats(uint64(n), n), randomFloats(uint64(n)+1, n)
		var p, q [16]float32
		for lane := range 16 {
			for i := lane; i < n; i += 16 {
				p[lane] = FMA(a[i], b[i], p[lane])
				q[lane] += a[i]
			}
		}
		tree := func(p [16]float32) float32 {
			var l1 [8]float32
			for i := range l1 {
				l1[i] = p[i] + p[i+8]
			}
			x, y := l1[0]+l1[4], l1[2]+l1[6]
			z, w := l1[1]+l1[5], l1[3]+l1[7]
			return (x + y) + (z + w)
		}
		if got := Go().Dot(a, b); got != tree(p) {
			t.Errorf("Dot of %d: %x, want %x", n, got, tree(p))
		}
		if got := Go().Sum(a); got != tree(q) {
			t.Errorf("Sum of %d: %x, want %x", n, got, tree(q))
		}
	}
}

func TestArithmeticIsAsTheRulesWant(t *testing.T) {
	if err := CheckArithmetic(); err != nil {
		t.Fatal(err)
	}
}

// TestFlushToZeroWouldBeNoticed gives the probes the inputs that a machine which
// flushes subnormals would see.
func TestFlushToZeroWouldBeNoticed(t *testing.T) {
	old := probeInputs
	defer func() { probeInputs = old }()
	probeInputs.tiny = 0
	if err := CheckArithmetic(); !errors.Is(err, ErrArithmetic) {
		t.Fatalf("got %v", err)
	}
}

// TestKernelByName runs this binary with the kernel forced by name.
func TestKernelByName(t *testing.T) {
	if want := os.Getenv("KERNEL_TEST_NAME"); want != "" {
		fmt.Printf("kernel says: %v\n", CheckArithmetic())
		return
	}
	for name, want := range map[string]string{"go": "kernel says: <nil>", "avx9": `GALAHAD_KERNEL="avx9": unknown kernel "avx9"; this machine has`} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKernelByName$", "-test.v")
		cmd.Env = append(os.Environ(), Env+"="+name, "KERNEL_TEST_NAME=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, output %s", name, err, out)
		}
	}
}
