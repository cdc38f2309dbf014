package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// testProduct is a product to check: A straight or turned, B in rows or packed.
type testProduct struct {
	m, n, k          int
	padA, padB, padC int // added to what rows are apart
	turned           bool
	packed, bf16     bool
	from             int // columns of a packed B before those used
	add              bool
	number           func() float32
	memory           [3]func(n int) []float32 // of A, B and C; nil is Go's
}

func (p *testProduct) fill(n int, from func(int) []float32) []float32 {
	if from == nil {
		from = func(n int) []float32 { return make([]float32, n) }
	}
	s := from(n)
	for i := range s {
		s[i] = p.number()
	}
	return s
}

// check compares every kernel with the portable one.
func (p *testProduct) check(t *testing.T, kernels []Kernel) {
	t.Helper()
	row, step := p.k+p.padA, 1
	sizeA := (p.m-1)*row + p.k
	if p.turned {
		row, step = 1, p.m+p.padA
		sizeA = (p.k-1)*step + p.m
	}
	ldb, ldc := p.n+p.padB, p.n+p.padC
	a, b, c := p.fill(sizeA, p.memory[0]), p.fill((p.k-1)*ldb+p.n, p.memory[1]), p.fill((p.m-1)*ldc+p.n, p.memory[2])
	var packed *Packed
	if p.packed {
		packed = NewPacked(p.k, p.from+p.n, p.bf16)
		column, bits := make([]float32, p.k), make([]uint16, p.k)
		for j := range p.n {
			for s := range column {
				if p.bf16 {
					b[s*ldb+j] = Widen(uint16(math.Float32bits(b[s*ldb+j]) >> 16))
				}
				column[s], bits[s] = b[s*ldb+j], uint16(math.Float32bits(b[s*ldb+j])>>16)
			}
			if p.bf16 {
				packed.SetColumnsBF16(p.from+j, bits)
			} else {
				packed.SetColumns(p.from+j, column)
			}
		}
	}
	before := append([]float32(nil), c...)
	want := append([]float32(nil), c...)
	Go().Mul(want, ldc, a, row, step, b, ldb, p.m, p.n, p.k, p.add)
	for _, kern := range kernels {
		copy(c, before)
		if p.packed {
			kern.MulPacked(c, ldc, a, row, step, packed, p.from, p.from+p.n, p.m, p.add)
		} else {
			kern.Mul(c, ldc, a, row, step, b, ldb, p.m, p.n, p.k, p.add)
		}
		for i := range want {
			if !sameBits(c[i], want[i]) {
				t.Fatalf("%s %dx%dx%d pads %d %d %d turned=%v packed=%v bf16=%v from %d add=%v: [%d,%d] is %x, want %x", kern.Name(), p.m, p.n, p.k,
					p.padA, p.padB, p.padC, p.turned, p.packed, p.bf16, p.from, p.add, i/ldc, i%ldc, c[i], want[i])
			}
		}
	}
}

func randomProduct(r *rand.Rand, m, n, k int) *testProduct {
	flip := func() bool { return r.IntN(2) == 0 }
	p := &testProduct{
		m: m, n: n, k: k, padA: r.IntN(9), padB: r.IntN(9), padC: r.IntN(9),
		turned: flip(), packed: flip(), bf16: flip(), from: Panel * r.IntN(3), add: flip(),
		number: func() float32 { return float32(r.NormFloat64()) },
	}
	if flip() {
		p.number = func() float32 { return awkward(r) }
	}
	return p
}

// TestProductsOfAllShapes: all m and n up to 70, some k, all kinds of operands.
func TestProductsOfAllShapes(t *testing.T) {
	r := newRand(t)
	every := 1
	if testing.Short() {
		every = 7
	}
	for m := 1; m <= 70; m++ {
		for n := 1 + r.IntN(every); n <= 70; n += every {
			randomProduct(r, m, n, 1+r.IntN(70)).check(t, available)
		}
	}
	for k := 1; k <= 70; k++ {
		randomProduct(r, 1+r.IntN(20), 1+r.IntN(70), k).check(t, available)
	}
}

// TestProductsInBlocks: shapes large enough that kernels copy parts of operands,
// and rows as far apart as the worst case for a cache.
func TestProductsInBlocks(t *testing.T) {
	r := newRand(t)
	for _, p := range []*testProduct{
		{m: 131, n: 40, k: 530},
		{m: 131, n: 40, k: 530, turned: true, add: true},
		{m: 20, n: 70, k: 1100, add: true},
		{m: 150, n: 129, k: 600, padA: 2048 - 600},
		{m: 150, n: 129, k: 600, padA: 2048 - 600, packed: true, add: true},
		{m: 20, n: 140, k: 1024, packed: true, bf16: true},
		{m: 300, n: 17, k: 3, add: true},
	} {
		p.padB, p.padC, p.number = r.IntN(5), r.IntN(5), func() float32 { return awkward(r) }
		p.check(t, available)
	}
}

// TestProductsAllocateNothing, neither small ones nor those that copy.
func TestProductsAllocateNothing(t *testing.T) {
	for _, kern := range available[:len(available)-1] {
		for _, p := range []*product{
			{m: 1, n: 40, k: 16, b: "rows"},
			{m: 200, n: 200, k: 1024, b: "rows"},
			{m: 5, n: 40, k: 16, b: "bf16"},
			{m: 40, n: 200, k: 1024, b: "f32"},
		} {
			p.prepare()
			if n := testing.AllocsPerRun(10, func() { p.run(kern) }); n != 0 {
				t.Errorf("%s %v: %v allocations", kern.Name(), p, n)
			}
		}
	}
}

// FuzzMatMul compares every kernel with the portable one.
func FuzzMatMul(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(32), uint8(16))
	f.Add(uint64(2), uint8(15), uint8(33), uint8(1))
	f.Add(uint64(3), uint8(95), uint8(70), uint8(70))
	f.Fuzz(func(t *testing.T, seed uint64, m, n, k uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		randomProduct(r, 1+int(m%100), 1+int(n%100), 1+int(k)).check(t, available)
	})
}
