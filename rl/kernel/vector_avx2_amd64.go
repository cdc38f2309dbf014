package kernel

// The operations over vectors in AVX2 and FMA. The assembly takes pointers and one
// length; these methods see that all slices are long enough.

func (avx2) Dot(a, b []float32) float32 {
	b = b[:len(a)]
	return dotAVX2(first(a), first(b), len(a))
}

func (avx2) Sum(a []float32) float32 { return sumAVX2(first(a), len(a)) }

func (avx2) Max(a []float32) float32 {
	top := maxAVX2(first(a), len(a))
	if top == 0 {
		return firstZero(a)
	}
	return top
}

func (avx2) Finite(a []float32) bool { return finiteAVX2(first(a), len(a)) == 0 }

func (avx2) Exp(dst, x []float32, sub float32) {
	x = x[:len(dst)]
	expAVX2(first(dst), first(x), len(dst), sub)
}

func (avx2) Add(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	addAVX2(first(dst), first(a), first(b), len(dst))
}

func (avx2) Scale(dst, x []float32, s float32) {
	x = x[:len(dst)]
	scaleAVX2(first(dst), first(x), len(dst), s)
}

func (avx2) Div(dst, x []float32, s float32) {
	x = x[:len(dst)]
	divAVX2(first(dst), first(x), len(dst), s)
}

func (avx2) Product(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	productAVX2(first(dst), first(a), first(b), len(dst))
}

func (avx2) ScaleProduct(dst, x []float32, s float32, w []float32) {
	x, w = x[:len(dst)], w[:len(dst)]
	scaleProductAVX2(first(dst), first(x), first(w), len(dst), s)
}

func (avx2) AddScaleProduct(dst, a, x []float32, s float32) {
	a, x = a[:len(dst)], x[:len(dst)]
	addScaleProductAVX2(first(dst), first(a), first(x), len(dst), s)
}

func (avx2) Softmax(x []float32, scale float32) { softmaxAVX2(first(x), len(x), scale) }

func (avx2) SoftmaxBack(d, p []float32, dot, scale float32) {
	p = p[:len(d)]
	softmaxBackAVX2(first(d), first(p), len(d), dot, scale)
}

func (avx2) Rotate(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	rotateAVX2(first(lo), first(hi), first(cos), first(sin), len(lo))
}

func (avx2) RotateBack(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	rotateBackAVX2(first(lo), first(hi), first(cos), first(sin), len(lo))
}

func (avx2) SwiGLU(dst, gate, up []float32) {
	gate, up = gate[:len(dst)], up[:len(dst)]
	swiGLUAVX2(first(dst), first(gate), first(up), len(dst))
}

func (avx2) SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	n := len(dgate)
	dup, dact, gate, up = dup[:n], dact[:n], gate[:n], up[:n]
	swiGLUBackAVX2(first(dgate), first(dup), first(dact), first(gate), first(up), n)
}

func (avx2) NormBack(dx, g, n []float32, s, mean float32) {
	g, n = g[:len(dx)], n[:len(dx)]
	normBackAVX2(first(dx), first(g), first(n), len(dx), s, mean)
}

func (avx2) AdamW(w, m, v, grad []float32, step *AdamWStep) bool {
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	return adamWAVX2(first(w), first(m), first(v), first(grad), len(w), &step.Scale) == 0
}
