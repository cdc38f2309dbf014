package kernel

// The operations over rows in AVX2 and FMA. The assembly takes pointers; these
// methods see that no row ends past its slice.

func (avx2) NormRows(y, inv, x, weight []float32, eps float32) {
	rows, h := len(inv), len(weight)
	y, x = y[:rows*h], x[:rows*h]
	normRowsAVX2(first(y), first(inv), first(x), first(weight), rows, h, Inverse(h), eps)
}

func (avx2) NormBackRows(dx, dy, x, inv, weight []float32) {
	rows, h := len(inv), len(weight)
	dx, dy, x = dx[:rows*h], dy[:rows*h], x[:rows*h]
	normBackRowsAVX2(first(dx), first(dy), first(x), first(inv), first(weight), rows, h, Inverse(h))
}

func (avx2) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	if staircase(x, stride, rows, n, grow) {
		softmaxRowsAVX2(first(x), rows, stride, n, grow, scale)
	}
}

func (avx2) SoftmaxBackRows(d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32) {
	if staircase(d, strideD, rows, n, grow) && staircase(p, strideP, rows, n, grow) {
		softmaxBackRowsAVX2(first(d), first(p), rows, strideD, strideP, n, grow, scale)
	}
}

func (avx2) RotateHeads(x, cos, sin []float32) {
	if heads, half := len(x)/2/len(cos), len(cos); heads > 0 {
		sin = sin[:half]
		rotateHeadsAVX2(first(x), first(cos), first(sin), heads, half)
	}
}

func (avx2) RotateHeadsBack(x, cos, sin []float32) {
	if heads, half := len(x)/2/len(cos), len(cos); heads > 0 {
		sin = sin[:half]
		rotateHeadsBackAVX2(first(x), first(cos), first(sin), heads, half)
	}
}

func (avx2) SwiGLURows(dst, gateUp []float32, n int) {
	gateUp = gateUp[:2*len(dst)]
	swiGLURowsAVX2(first(dst), first(gateUp), len(dst)/n, n)
}

func (avx2) SwiGLUBackRows(dgateUp, dact, gateUp []float32, n int) {
	gateUp, dact = gateUp[:len(dgateUp)], dact[:len(dgateUp)/2]
	swiGLUBackRowsAVX2(first(dgateUp), first(dact), first(gateUp), len(dact)/n, n)
}

func (avx2) Weigh(z, e, logits []float32, t float32) (top, sum float32, ok bool) {
	if t == 0 {
		t = 1
	}
	e, logits = e[:len(z)], logits[:len(z)]
	top, sum, zero := weighAVX2(first(z), first(e), first(logits), len(z), t)
	if top == 0 {
		top = firstZero(z)
	}
	return top, sum, zero == 0
}
