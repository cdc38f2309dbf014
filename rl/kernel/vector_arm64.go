package kernel

// The assembly takes whole vectors: n is a positive multiple of 4, or of 16 for
// reductions. What is left over, the portable kernel does.

// expTable holds the constants of exp in the order in which EXPCONSTANTS loads them.
//
//lint:ignore U1000 the assembly reads it
var expTable = [14]float32{log2e, magic, ln2Hi, ln2Lo, expC6, expC5, expC4, expC3, expC2, 1, expMin, expMax, posInf, nan32}

// whole is the part of n elements that the assembly takes.
func whole(n int) int { return n &^ 3 }

//go:noescape
func expNEON(dst, x *float32, n int, sub float32)

func (neon) Exp(dst, x []float32, sub float32) {
	n := whole(len(dst))
	x = x[:len(dst)]
	if n > 0 {
		expNEON(&dst[0], &x[0], n, sub)
	}
	goKernel{}.Exp(dst[n:], x[n:], sub)
}

//go:noescape
func addNEON(dst, a, b *float32, n int)

func (neon) Add(dst, a, b []float32) {
	n := whole(len(dst))
	a, b = a[:len(dst)], b[:len(dst)]
	if n > 0 {
		addNEON(&dst[0], &a[0], &b[0], n)
	}
	goKernel{}.Add(dst[n:], a[n:], b[n:])
}

//go:noescape
func scaleNEON(dst, x *float32, n int, s float32)

func (neon) Scale(dst, x []float32, s float32) {
	n := whole(len(dst))
	x = x[:len(dst)]
	if n > 0 {
		scaleNEON(&dst[0], &x[0], n, s)
	}
	goKernel{}.Scale(dst[n:], x[n:], s)
}

//go:noescape
func divNEON(dst, x *float32, n int, s float32)

func (neon) Div(dst, x []float32, s float32) {
	n := whole(len(dst))
	x = x[:len(dst)]
	if n > 0 {
		divNEON(&dst[0], &x[0], n, s)
	}
	goKernel{}.Div(dst[n:], x[n:], s)
}

//go:noescape
func productNEON(dst, a, b *float32, n int)

func (neon) Product(dst, a, b []float32) {
	n := whole(len(dst))
	a, b = a[:len(dst)], b[:len(dst)]
	if n > 0 {
		productNEON(&dst[0], &a[0], &b[0], n)
	}
	goKernel{}.Product(dst[n:], a[n:], b[n:])
}

//go:noescape
func scaleProductNEON(dst, x, w *float32, n int, s float32)

func (neon) ScaleProduct(dst, x []float32, s float32, w []float32) {
	n := whole(len(dst))
	x, w = x[:len(dst)], w[:len(dst)]
	if n > 0 {
		scaleProductNEON(&dst[0], &x[0], &w[0], n, s)
	}
	goKernel{}.ScaleProduct(dst[n:], x[n:], s, w[n:])
}

//go:noescape
func addScaleProductNEON(dst, a, x *float32, n int, s float32)

func (neon) AddScaleProduct(dst, a, x []float32, s float32) {
	n := whole(len(dst))
	a, x = a[:len(dst)], x[:len(dst)]
	if n > 0 {
		addScaleProductNEON(&dst[0], &a[0], &x[0], n, s)
	}
	goKernel{}.AddScaleProduct(dst[n:], a[n:], x[n:], s)
}

func (k neon) Softmax(x []float32, scale float32) {
	k.Scale(x, x, scale)
	k.Exp(x, x, k.Max(x))
	k.Div(x, x, k.Sum(x))
}

//go:noescape
func softmaxBackNEON(d, p *float32, n int, dot, scale float32)

func (neon) SoftmaxBack(d, p []float32, dot, scale float32) {
	n := whole(len(d))
	p = p[:len(d)]
	if n > 0 {
		softmaxBackNEON(&d[0], &p[0], n, dot, scale)
	}
	goKernel{}.SoftmaxBack(d[n:], p[n:], dot, scale)
}

//go:noescape
func rotateNEON(lo, hi, cos, sin *float32, n int)

func (neon) Rotate(lo, hi, cos, sin []float32) {
	n := whole(len(lo))
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	if n > 0 {
		rotateNEON(&lo[0], &hi[0], &cos[0], &sin[0], n)
	}
	goKernel{}.Rotate(lo[n:], hi[n:], cos[n:], sin[n:])
}

//go:noescape
func rotateBackNEON(lo, hi, cos, sin *float32, n int)

func (neon) RotateBack(lo, hi, cos, sin []float32) {
	n := whole(len(lo))
	hi, cos, sin = hi[:len(lo)], cos[:len(lo)], sin[:len(lo)]
	if n > 0 {
		rotateBackNEON(&lo[0], &hi[0], &cos[0], &sin[0], n)
	}
	goKernel{}.RotateBack(lo[n:], hi[n:], cos[n:], sin[n:])
}

//go:noescape
func swiGLUNEON(dst, gate, up *float32, n int)

func (neon) SwiGLU(dst, gate, up []float32) {
	n := whole(len(dst))
	gate, up = gate[:len(dst)], up[:len(dst)]
	if n > 0 {
		swiGLUNEON(&dst[0], &gate[0], &up[0], n)
	}
	goKernel{}.SwiGLU(dst[n:], gate[n:], up[n:])
}

//go:noescape
func swiGLUBackNEON(dgate, dup, dact, gate, up *float32, n int)

func (neon) SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	l := len(dgate)
	n := whole(l)
	dup, dact, gate, up = dup[:l], dact[:l], gate[:l], up[:l]
	if n > 0 {
		swiGLUBackNEON(&dgate[0], &dup[0], &dact[0], &gate[0], &up[0], n)
	}
	goKernel{}.SwiGLUBack(dgate[n:], dup[n:], dact[n:], gate[n:], up[n:])
}

//go:noescape
func normBackNEON(dx, dy, y *float32, n int, s, mean float32)

func (neon) NormBack(dx, g, n []float32, s, mean float32) {
	count := whole(len(dx))
	g, n = g[:len(dx)], n[:len(dx)]
	if count > 0 {
		normBackNEON(&dx[0], &g[0], &n[0], count, s, mean)
	}
	goKernel{}.NormBack(dx[count:], g[count:], n[count:], s, mean)
}

// adamWNEON returns the largest bits, shifted left by one, that it wrote.
//
//go:noescape
func adamWNEON(w, m, v, grad *float32, n int, step *AdamWStep) uint32

func (neon) AdamW(w, m, v, grad []float32, step *AdamWStep) bool {
	n := whole(len(w))
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	finite := true
	if n > 0 {
		finite = adamWNEON(&w[0], &m[0], &v[0], &grad[0], n, step) < infBits<<1
	}
	return goKernel{}.AdamW(w[n:], m[n:], v[n:], grad[n:], step) && finite
}
