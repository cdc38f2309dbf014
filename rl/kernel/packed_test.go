package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestMulPackedEqualsMul holds products with packed operands, of both types and
// with A straight or transposed, against the rule, for every part of the columns.
func TestMulPackedEqualsMul(t *testing.T) {
	for _, kern := range available {
		t.Run(kern.Name(), func(t *testing.T) {
			r := newRand(t)
			for range 150 {
				m, n, k := 1+r.IntN(70), 1+r.IntN(100), 1+r.IntN(90)
				packedEqualsRule(t, r, kern, m, n, k, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0)
			}
		})
	}
}

func packedEqualsRule(t *testing.T, r *rand.Rand, kern Kernel, m, n, k int, bf16, turned, add bool) {
	t.Helper()
	weights := make([]float32, n*k) // [out, in], as on disk
	for i := range weights {
		weights[i] = Widen(RoundBF16(float32(r.NormFloat64())))
	}
	p := NewPacked(k, n, bf16)
	if bf16 {
		bits := make([]uint16, len(weights))
		for i, x := range weights {
			bits[i] = RoundBF16(x)
		}
		p.SetColumnsBF16(0, bits)
	} else {
		p.SetColumns(0, weights)
	}
	b := make([]float32, k*n)
	for j := range n {
		for s := range k {
			b[s*n+j] = weights[j*k+s]
		}
	}
	a := make([]float32, m*k)
	for i := range a {
		a[i] = float32(r.NormFloat64())
	}
	given, row, step := a, k, 1
	if turned {
		given, row, step = make([]float32, m*k), 1, m
		for i := range m {
			for s := range k {
				given[s*m+i] = a[i*k+s]
			}
		}
	}
	from := r.IntN(p.Panels()) * Panel
	to := n
	if end := from + Panel*(1+r.IntN(p.Panels())); end < n {
		to = end
	}
	ldc := to - from + r.IntN(3)
	c := make([]float32, m*ldc)
	for i := range c {
		c[i] = float32(r.NormFloat64())
	}
	want := append([]float32(nil), c...)
	matmulSlow(want, ldc, a, k, b[from:], n, m, to-from, k, add)
	direct := append([]float32(nil), c...)
	kern.MulPacked(c, ldc, given, row, step, p, from, to, m, add)
	kern.Mul(direct, ldc, given, row, step, b[from:], n, m, to-from, k, add)
	for i := range want {
		if !sameBits(c[i], want[i]) || !sameBits(direct[i], want[i]) {
			t.Fatalf("%dx%dx%d columns %d..%d bf16=%v turned=%v add=%v: [%d,%d] packed %x, row-major %x, want %x",
				m, n, k, from, to, bf16, turned, add, i/ldc, i%ldc, c[i], direct[i], want[i])
		}
	}
}

// TestColumnGivesBackWhatWasSet, for weights of both types.
func TestColumnGivesBackWhatWasSet(t *testing.T) {
	const n, k = 75, 11
	for _, bf16 := range []bool{false, true} {
		p, col := NewPacked(k, n, bf16), make([]float32, k)
		for j := range n {
			row, bits := make([]float32, k), make([]uint16, k)
			for s := range row {
				bits[s] = RoundBF16(float32(j*k + s - 300))
				row[s] = Widen(bits[s])
			}
			if bf16 {
				p.SetColumnsBF16(j, bits)
			} else {
				p.SetColumns(j, row)
			}
		}
		for j := range n {
			p.Column(col, j)
			for s, x := range col {
				if want := Widen(RoundBF16(float32(j*k + s - 300))); x != want {
					t.Fatalf("bf16=%v column %d row %d: %v, want %v", bf16, j, s, x, want)
				}
			}
		}
	}
}
