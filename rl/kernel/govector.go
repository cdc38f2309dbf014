package kernel

// goKernel is the portable implementation.
type goKernel struct{}

// Go returns the portable implementation, which every processor runs.
func Go() Kernel { return goKernel{} }

func (goKernel) Name() string { return "go" }

func (goKernel) Finite(a []float32) bool {
	for _, x := range a {
		if !IsFinite(x) {
			return false
		}
	}
	return true
}

func (goKernel) Exp(dst, x []float32, sub float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = Exp(v - sub)
	}
}

func (goKernel) Add(dst, a, b []float32) {
	for i, x := range a[:len(dst)] {
		dst[i] = x + b[i]
	}
}

func (goKernel) Scale(dst, x []float32, s float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = float32(v * s)
	}
}

func (goKernel) Div(dst, x []float32, s float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = v / s
	}
}

func (goKernel) Product(dst, a, b []float32) {
	for i, x := range a[:len(dst)] {
		dst[i] = float32(x * b[i])
	}
}

func (goKernel) ScaleProduct(dst, x []float32, s float32, w []float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = float32(float32(v*s) * w[i])
	}
}

func (goKernel) AddScaleProduct(dst, a, x []float32, s float32) {
	for i, v := range x[:len(dst)] {
		dst[i] = FMA(a[i], float32(v*s), dst[i])
	}
}

func (k goKernel) Softmax(x []float32, scale float32) {
	k.Scale(x, x, scale)
	k.Exp(x, x, k.Max(x))
	k.Div(x, x, k.Sum(x))
}

func (goKernel) SoftmaxBack(d, p []float32, dot, scale float32) {
	for i, pr := range p[:len(d)] {
		d[i] = float32(float32(pr*(d[i]-dot)) * scale)
	}
}

func (goKernel) Rotate(lo, hi, cos, sin []float32) {
	for i, a := range lo {
		b, c, s := hi[i], cos[i], sin[i]
		lo[i] = float32(a*c) - float32(b*s)
		hi[i] = float32(b*c) + float32(a*s)
	}
}

func (goKernel) RotateBack(lo, hi, cos, sin []float32) {
	for i, a := range lo {
		b, c, s := hi[i], cos[i], sin[i]
		lo[i] = float32(a*c) + float32(b*s)
		hi[i] = float32(b*c) - float32(a*s)
	}
}

func (goKernel) SwiGLU(dst, gate, up []float32) {
	for i, g := range gate[:len(dst)] {
		dst[i] = float32(g/(1+Exp(-g))) * up[i]
	}
}

func (goKernel) SwiGLUBack(dgate, dup, dact, gate, up []float32) {
	for i, g := range gate[:len(dgate)] {
		d := 1 + Exp(-g)
		sigma, silu := 1/d, g/d
		slope := float32(sigma * FMA(g, 1-sigma, 1))
		a := dact[i]
		dgate[i] = float32(float32(a*up[i]) * slope)
		dup[i] = float32(a * silu)
	}
}

func (goKernel) NormBack(dx, g, n []float32, s, mean float32) {
	for i, v := range g[:len(dx)] {
		dx[i] += float32(s * (v - float32(n[i]*mean)))
	}
}

func (goKernel) AdamW(w, m, v, grad []float32, h *AdamWStep) bool {
	finite := true
	for i := range w {
		g := float32(grad[i] * h.Scale)
		m[i] = FMA(h.Beta1, m[i], float32(h.Rest1*g))
		v[i] = FMA(h.Beta2, v[i], float32(float32(h.Rest2*g)*g))
		update := (m[i] / h.Correction1) / (Sqrt(v[i]/h.Correction2) + h.Eps)
		x := w[i]
		x -= float32(h.Decay * x)
		x -= float32(h.LR * update)
		w[i] = x
		finite = finite && IsFinite(x) && IsFinite(m[i]) && IsFinite(v[i])
	}
	return finite
}
