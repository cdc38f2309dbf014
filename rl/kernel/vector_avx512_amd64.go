package kernel

import "unsafe"

// The operations over vectors in AVX-512. The assembly takes pointers and one
// length; these methods see that all slices are long enough.

func (avx512) Dot(a, b []float32) float32 {
	b = b[:len(a)]
	return dotAVX512(first(a), first(b), len(a))
}

func (avx512) Sum(a []float32) float32 { return sumAVX512(first(a), len(a)) }

func (avx512) Max(a []float32) float32 {
	top := maxAVX512(first(a), len(a))
	if top == 0 {
		return firstZero(a)
	}
	return top
}

func (avx512) Finite(a []float32) bool { return finiteAVX512(first(a), len(a)) == 0 }

func (avx512) Exp(dst, x []float32, sub float32) {
	x = x[:len(dst)]
	expAVX512(first(dst), first(x), len(dst), sub)
}

func (avx512) Add(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	addAVX512(first(dst), first(a), first(b), len(dst))
}

func (avx512) Scale(dst, x []float32, s float32) {
	x = x[:len(dst)]
	scaleAVX512(first(dst), first(x), len(dst), s)
}

func (avx512) Div(dst, x []float32, s float32) {
	x = x[:len(dst)]
	divAVX512(first(dst), first(x), len(dst), s)
}

func (avx512) Product(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	productAVX512(first(dst), first(a), first(b), len(dst))
}

func (avx512) ScaleProduct(dst, x []float32, s float32, w []float32) {
	x, w = x[:len(dst)], w[:len(dst)]
	scaleProductAVX512(first(dst), first(x), first(w), len(dst), s)
}

func (avx512) AddScaleProduct(dst, a, x []float32, s float32) {
	a, x = a[:len(dst)], x[:len(dst)]
	addScaleProductAVX512(first(dst), first(a), first(x), len(dst), s)
}

func (avx512) Softmax(x []float32, scale float32) { softmaxAVX512(first(x), len(x), scale) }

func (avx512) SoftmaxBack(d, p []float32, dot, scale float32) {
	p = p[:len(d)]
	softmaxBackAVX512(first(d), first(p), len(d), dot, scale)
}

func (avx512) Rotate(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	rotateAVX512(first(lo), first(hi), first(cos), first(sin), len(lo))
}

func (avx512) RotateBack(lo, hi, cos, sin []float32) {
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	rotateBackAVX512(first(lo), first(hi), first(cos), first(sin), len(lo))
}

func (avx512) SwiGLU(dst, gate, up []float32) {
	gate, up = gate[:len(dst)], up[:len(dst)]
	swiGLUAVX512(first(dst), first(gate), first(up), len(dst))
}

func (avx512) SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	n := len(dgate)
	dup, dact, gate, up = dup[:n], dact[:n], gate[:n], up[:n]
	swiGLUBackAVX512(first(dgate), first(dup), first(dact), first(gate), first(up), n)
}

func (avx512) NormBack(dx, g, n []float32, s, mean float32) {
	g, n = g[:len(dx)], n[:len(dx)]
	normBackAVX512(first(dx), first(g), first(n), len(dx), s, mean)
}

func (avx512) AdamW(w, m, v, grad []float32, step *AdamWStep) bool {
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	return adamWAVX512(first(w), first(m), first(v), first(grad), len(w), &step.Scale) == 0
}

// first is the address of a slice's elements.
func first(a []float32) *float32 { return unsafe.SliceData(a) }
