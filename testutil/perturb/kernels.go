package perturb

import "github.com/galahad-network/galahad/rl/kernel"

var (
	_ kernel.Kernel = float64Kernel{}
	_ kernel.Kernel = reordered{}
	_ kernel.Kernel = bf16Kernel{}
)

// multiply is a kernel's Mul.
type multiply func(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool)

// mulPacked is MulPacked by way of mul: each panel of b, widened, is a matrix
// whose rows are kernel.Panel apart.
func mulPacked(mul multiply, c []float32, ldc int, a []float32, row, step int, b *kernel.Packed, from, to, m int, add bool) {
	column, panel := make([]float32, b.K), make([]float32, b.K*kernel.Panel)
	for j := from; j < to; j += kernel.Panel {
		n := min(kernel.Panel, to-j)
		for l := range n {
			b.Column(column, j+l)
			for t, x := range column {
				panel[t*kernel.Panel+l] = x
			}
		}
		mul(c[j-from:], ldc, a, row, step, panel, kernel.Panel, m, n, b.K, add)
	}
}

// float64Kernel sums products, dot products and softmax in float64.
type float64Kernel struct{ kernel.Kernel }

func (float64Kernel) Name() string { return Float64 }

func (float64Kernel) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	acc := make([]float64, n)
	for i := range m {
		to := c[i*ldc : i*ldc+n]
		clear(acc)
		if add {
			for j, x := range to {
				acc[j] = float64(x)
			}
		}
		for t := range k {
			x := float64(a[i*row+t*step])
			for j, y := range b[t*ldb : t*ldb+n] {
				acc[j] += x * float64(y) // the product is exact, so that fusing changes nothing
			}
		}
		for j, x := range acc {
			to[j] = float32(x)
		}
	}
}

func (k float64Kernel) MulPacked(c []float32, ldc int, a []float32, row, step int, b *kernel.Packed, from, to, m int, add bool) {
	mulPacked(k.Mul, c, ldc, a, row, step, b, from, to, m, add)
}

func (float64Kernel) Dot(a, b []float32) float32 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return float32(sum)
}

func (float64Kernel) Sum(a []float32) float32 {
	sum := 0.0
	for _, x := range a {
		sum += float64(x)
	}
	return float32(sum)
}

func (k float64Kernel) Softmax(x []float32, scale float32) { softmax(k, x, scale) }

// softmax is that of the rules with another kernel's sum.
func softmax(k kernel.Kernel, x []float32, scale float32) {
	k.Scale(x, x, scale)
	k.Exp(x, x, k.Max(x))
	k.Div(x, x, k.Sum(x))
}

// reordered computes each product as several chains over parts of k, whose sums
// are added as a tree; reductions run in one chain.
type reordered struct {
	kernel.Kernel
	name string
	sums int  // a power of two
	runs bool // a part is a run of k; otherwise every sums-th
}

func (r reordered) Name() string { return r.name }

func (r reordered) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	sums := make([][]float32, r.sums)
	for p := range sums {
		sums[p] = make([]float32, m*n)
		if r.runs {
			from, to := k*p/r.sums, k*(p+1)/r.sums
			if from < to {
				r.Kernel.Mul(sums[p], n, a[from*step:], row, step, b[from*ldb:], ldb, m, n, to-from, false)
			}
		} else if p < k {
			r.Kernel.Mul(sums[p], n, a[p*step:], row, step*r.sums, b[p*ldb:], ldb*r.sums, m, n, (k-p+r.sums-1)/r.sums, false)
		}
	}
	for w := r.sums / 2; w > 0; w /= 2 {
		for p := range w {
			r.Add(sums[p], sums[p], sums[p+w])
		}
	}
	for i := range m {
		to, sum := c[i*ldc:i*ldc+n], sums[0][i*n:(i+1)*n]
		if add {
			r.Add(to, to, sum)
		} else {
			copy(to, sum)
		}
	}
}

func (r reordered) MulPacked(c []float32, ldc int, a []float32, row, step int, b *kernel.Packed, from, to, m int, add bool) {
	mulPacked(r.Mul, c, ldc, a, row, step, b, from, to, m, add)
}

func (reordered) Dot(a, b []float32) float32 {
	var sum float32
	for i, x := range a {
		sum += float32(x * b[i])
	}
	return sum
}

func (reordered) Sum(a []float32) float32 {
	var sum float32
	for _, x := range a {
		sum += x
	}
	return sum
}

func (r reordered) Softmax(x []float32, scale float32) { softmax(r, x, scale) }

// bf16Kernel keeps activations in bfloat16: the outputs of operations, logits
// too, and the probabilities that multiply the values. Sums stay in float32.
type bf16Kernel struct{ kernel.Kernel }

func (bf16Kernel) Name() string { return BF16 }

func roundBF16(x []float32) {
	for i, v := range x {
		if kernel.IsFinite(v) {
			x[i] = kernel.Widen(kernel.RoundBF16(v))
		}
	}
}

// rounded returns the left operand of a product in bfloat16, its rows k apart.
func rounded(a []float32, row, step, m, k int) []float32 {
	out := make([]float32, m*k)
	for i := range m {
		for t := range k {
			out[i*k+t] = a[i*row+t*step]
		}
	}
	roundBF16(out)
	return out
}

func (b16 bf16Kernel) Mul(c []float32, ldc int, a []float32, row, step int, b []float32, ldb int, m, n, k int, add bool) {
	b16.Kernel.Mul(c, ldc, rounded(a, row, step, m, k), k, 1, b, ldb, m, n, k, add)
}

func (b16 bf16Kernel) MulPacked(c []float32, ldc int, a []float32, row, step int, b *kernel.Packed, from, to, m int, add bool) {
	b16.Kernel.MulPacked(c, ldc, rounded(a, row, step, m, b.K), b.K, 1, b, from, to, m, add)
	for i := range m {
		roundBF16(c[i*ldc : i*ldc+to-from])
	}
}

func (b16 bf16Kernel) Add(dst, a, b []float32) {
	b16.Kernel.Add(dst, a, b)
	roundBF16(dst)
}

func (b16 bf16Kernel) ScaleProduct(dst, x []float32, s float32, w []float32) {
	b16.Kernel.ScaleProduct(dst, x, s, w)
	roundBF16(dst)
}

func (b16 bf16Kernel) Rotate(lo, hi, cos, sin []float32) {
	b16.Kernel.Rotate(lo, hi, cos, sin)
	roundBF16(lo)
	roundBF16(hi)
}

func (b16 bf16Kernel) SwiGLU(dst, gate, up []float32) {
	b16.Kernel.SwiGLU(dst, gate, up)
	roundBF16(dst)
}
