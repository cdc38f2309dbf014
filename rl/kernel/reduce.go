package kernel

import "math"

// Reductions over a vector run in 16 partial sums: partial j takes elements j,
// j+16, ... in order, then partials combine 8+8, 4+4, 2+2, 1+1. That is the order
// of a 512-bit vector unit; missing elements of the tail are skipped.

// Dot returns the sum of a[i]*b[i], each added with one rounding.
func (goKernel) Dot(a, b []float32) float32 {
	var p [16]float32
	for i, x := range a {
		p[i&15] = FMA(x, b[i], p[i&15])
	}
	return combine(&p)
}

// Sum returns the sum of the elements of a.
func (goKernel) Sum(a []float32) float32 {
	var p [16]float32
	for i, x := range a {
		p[i&15] += x
	}
	return combine(&p)
}

func combine(p *[16]float32) float32 {
	for w := 8; w > 0; w /= 2 {
		for j := range w {
			p[j] += p[j+w]
		}
	}
	return p[0]
}

// Max returns the largest element of a; NaN elements are ignored.
func (goKernel) Max(a []float32) float32 {
	m := -posInf
	for _, x := range a {
		if x > m {
			m = x
		}
	}
	return m
}

// firstZero returns the first zero of a, for the sign that it has: a vector unit
// finds a maximum, but of zeros not the first.
func firstZero(a []float32) float32 {
	for _, x := range a {
		if x == 0 {
			return x
		}
	}
	return 0 // not reached: the maximum was a zero
}

// Sqrt is the IEEE square root: rounding the float64 root again is harmless,
// because float64 has more than twice the bits of float32 plus two.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// InverseSqrt returns the float32 nearest to the real number 1/sqrt(n).
func InverseSqrt(n int) float32 { return float32(1 / math.Sqrt(float64(n))) }

// Inverse returns the float32 nearest to the real number 1/n.
func Inverse(n int) float32 { return float32(1) / float32(n) }
