package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestVectorOperationsEqualGo holds every operation over vectors against the
// portable kernel, to the bit, for all lengths up to 70 and a few long ones, all
// kinds of numbers; nothing past the end may be written.
func TestVectorOperationsEqualGo(t *testing.T) {
	for _, kern := range available[:len(available)-1] {
		for name, apply := range vectorOperations {
			t.Run(kern.Name()+"/"+name, func(t *testing.T) {
				r := newRand(t)
				for n := range 75 {
					for range 6 {
						vectorsEqual(t, r, kern, n, apply)
					}
				}
				for _, n := range []int{128, 1000, 1023, 4096} {
					vectorsEqual(t, r, kern, n, apply)
				}
			})
		}
	}
}

// operands are vectors longer than n, scalars, and what an operation returned.
type operands struct {
	v      [5][]float32
	s      [2]float32
	step   AdamWStep
	scalar []float32
	ok     bool
}

var vectorOperations = map[string]func(k Kernel, n int, o *operands){
	"Dot":    func(k Kernel, n int, o *operands) { o.scalar = []float32{k.Dot(o.v[0][:n], o.v[1])} },
	"Sum":    func(k Kernel, n int, o *operands) { o.scalar = []float32{k.Sum(o.v[0][:n])} },
	"Max":    func(k Kernel, n int, o *operands) { o.scalar = []float32{k.Max(o.v[0][:n])} },
	"Finite": func(k Kernel, n int, o *operands) { o.ok = k.Finite(o.v[0][:n]) },
	"Exp":    func(k Kernel, n int, o *operands) { k.Exp(o.v[0][:n], o.v[1], o.s[0]) },
	"Add":    func(k Kernel, n int, o *operands) { k.Add(o.v[0][:n], o.v[1], o.v[2]) },
	"Scale":  func(k Kernel, n int, o *operands) { k.Scale(o.v[0][:n], o.v[1], o.s[0]) },
	"Div":    func(k Kernel, n int, o *operands) { k.Div(o.v[0][:n], o.v[1], o.s[0]) },
	"Product": func(k Kernel, n int, o *operands) {
		k.Product(o.v[0][:n], o.v[0], o.v[2])
	},
	"ScaleProduct":    func(k Kernel, n int, o *operands) { k.ScaleProduct(o.v[0][:n], o.v[1], o.s[0], o.v[2]) },
	"AddScaleProduct": func(k Kernel, n int, o *operands) { k.AddScaleProduct(o.v[0][:n], o.v[1], o.v[2], o.s[0]) },
	"Softmax":         func(k Kernel, n int, o *operands) { k.Softmax(o.v[0][:n], o.s[0]) },
	"SoftmaxBack":     func(k Kernel, n int, o *operands) { k.SoftmaxBack(o.v[0][:n], o.v[1], o.s[0], o.s[1]) },
	"Rotate":          func(k Kernel, n int, o *operands) { k.Rotate(o.v[0][:n], o.v[1][:n], o.v[2], o.v[3]) },
	"RotateBack":      func(k Kernel, n int, o *operands) { k.RotateBack(o.v[0][:n], o.v[1][:n], o.v[2], o.v[3]) },
	"SwiGLU":          func(k Kernel, n int, o *operands) { k.SwiGLU(o.v[0][:n], o.v[1], o.v[2]) },
	"SwiGLUBack":      func(k Kernel, n int, o *operands) { k.SwiGLUBack(o.v[0][:n], o.v[1], o.v[2], o.v[3], o.v[4]) },
	"NormBack":        func(k Kernel, n int, o *operands) { k.NormBack(o.v[0][:n], o.v[1], o.v[2], o.s[0], o.s[1]) },
	"AdamW":           func(k Kernel, n int, o *operands) { o.ok = k.AdamW(o.v[0][:n], o.v[1], o.v[2], o.v[3], &o.step) },
}

func vectorsEqual(t *testing.T, r *rand.Rand, kern Kernel, n int, apply func(Kernel, int, *operands)) {
	t.Helper()
	operandsEqual(t, r, kern, n+20, func(k Kernel, o *operands) { apply(k, n, o) })
}

// operandsEqual applies an operation, once by kern and once in Go, to the same
// random vectors of a size.
func operandsEqual(t *testing.T, r *rand.Rand, kern Kernel, size int, apply func(Kernel, *operands)) {
	t.Helper()
	kind := r.IntN(5)
	number := func() float32 {
		switch kind {
		case 0:
			return awkward(r)
		case 1:
			return float32(r.NormFloat64() * 40)
		case 2: // zeros of both signs, and ties
			return float32(r.IntN(3)-1) * float32(r.IntN(2)) * -1
		case 3: // products and sums that lose bits below 2^-126
			return float32(r.NormFloat64() * 1e-20)
		}
		return float32(r.NormFloat64())
	}
	var got, want operands
	for i := range got.v {
		got.v[i] = make([]float32, size)
		for j := range got.v[i] {
			got.v[i][j] = number()
		}
		want.v[i] = append([]float32(nil), got.v[i]...)
	}
	got.s = [2]float32{number(), number()}
	got.step = AdamWStep{Scale: 0.5, Beta1: 0.9, Beta2: 0.99, Rest1: 1 - 0.9, Rest2: 1 - 0.99, Correction1: 0.3, Correction2: 0.05, LR: 1e-3, Eps: 1e-8, Decay: 1e-4}
	want.s, want.step = got.s, got.step
	apply(kern, &got)
	apply(Go(), &want)
	if got.ok != want.ok {
		t.Fatalf("size %d: %v, want %v", size, got.ok, want.ok)
	}
	for i, x := range want.scalar {
		if !sameBits(got.scalar[i], x) {
			t.Fatalf("size %d: result %d: %x, want %x", size, i, got.scalar[i], x)
		}
	}
	for i := range want.v {
		for j, x := range want.v[i] {
			if !sameBits(got.v[i][j], x) {
				t.Fatalf("size %d: vector %d element %d: %x, want %x", size, i, j, got.v[i][j], x)
			}
		}
	}
}

// TestTailOfADotProductAddsNothing takes products that underflow to -0 in all 16
// partial sums: a +0 added for an element that is missing would show in the sign.
func TestTailOfADotProductAddsNothing(t *testing.T) {
	for _, kern := range available {
		for n := 16; n < 50; n++ {
			a, b := make([]float32, n), make([]float32, n)
			for i := range a {
				a[i], b[i] = 1e-30, -1e-30
			}
			if got := math.Float32bits(kern.Dot(a, b)); got != 0x80000000 {
				t.Errorf("%s, n=%d: bits %#x, want those of -0", kern.Name(), n, got)
			}
		}
	}
}
