package kernel

// Operations over many rows at once, put together from the operations over one
// vector. Kernels without routines of their own for them use these.

func (k goKernel) NormRows(y, inv, x, weight []float32, eps float32) {
	normRows(k, y, inv, x, weight, eps)
}

func (k goKernel) NormBackRows(dx, dy, x, inv, weight []float32) {
	normBackRows(k, dx, dy, x, inv, weight)
}

func (k goKernel) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	softmaxRows(k, x, stride, rows, n, grow, scale)
}

func (k goKernel) SoftmaxBackRows(d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32) {
	softmaxBackRows(k, d, strideD, p, strideP, rows, n, grow, scale)
}

func (k goKernel) RotateHeads(x, cos, sin []float32)     { rotateHeads(k.Rotate, x, cos, sin) }
func (k goKernel) RotateHeadsBack(x, cos, sin []float32) { rotateHeads(k.RotateBack, x, cos, sin) }
func (k goKernel) SwiGLURows(dst, gateUp []float32, n int) {
	swiGLURows(k, dst, gateUp, n)
}

func (k goKernel) SwiGLUBackRows(dgateUp, dact, gateUp []float32, n int) {
	swiGLUBackRows(k, dgateUp, dact, gateUp, n)
}

func (k goKernel) Weigh(z, e, logits []float32, t float32) (top, sum float32, ok bool) {
	return weigh(k, z, e, logits, t)
}

func normRows(k Kernel, y, inv, x, weight []float32, eps float32) {
	h := len(weight)
	scale := Inverse(h)
	for i := range inv {
		row := x[i*h : (i+1)*h]
		inv[i] = 1 / Sqrt(float32(k.Dot(row, row)*scale)+eps)
		k.ScaleProduct(y[i*h:(i+1)*h], row, inv[i], weight)
	}
}

func normBackRows(k Kernel, dx, dy, x, inv, weight []float32) {
	h := len(weight)
	scale := Inverse(h)
	scratch := make([]float32, 2*h)
	g, n := scratch[:h], scratch[h:]
	for i, s := range inv {
		k.Product(g, dy[i*h:], weight)
		k.Scale(n, x[i*h:], s)
		k.NormBack(dx[i*h:(i+1)*h], g, n, s, float32(k.Dot(g, n)*scale))
	}
}

func softmaxRows(k Kernel, x []float32, stride, rows, n, grow int, scale float32) {
	for i := range rows {
		k.Softmax(x[i*stride:i*stride+n+i*grow], scale)
	}
}

func softmaxBackRows(k Kernel, d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32) {
	for i := range rows {
		di, pi := d[i*strideD:i*strideD+n+i*grow], p[i*strideP:i*strideP+n+i*grow]
		k.SoftmaxBack(di, pi, k.Dot(pi, di), scale)
	}
}

func rotateHeads(rotate func(lo, hi, cos, sin []float32), x, cos, sin []float32) {
	half := len(cos)
	for ; len(x) > 0; x = x[2*half:] {
		rotate(x[:half], x[half:2*half], cos, sin)
	}
}

func swiGLURows(k Kernel, dst, gateUp []float32, n int) {
	for i := 0; i < len(dst); i += n {
		k.SwiGLU(dst[i:i+n], gateUp[2*i:2*i+n], gateUp[2*i+n:2*i+2*n])
	}
}

func swiGLUBackRows(k Kernel, dgateUp, dact, gateUp []float32, n int) {
	for i := 0; i < len(dgateUp); i += 2 * n {
		k.SwiGLUBack(dgateUp[i:i+n], dgateUp[i+n:i+2*n], dact[i/2:], gateUp[i:i+n], gateUp[i+n:])
	}
}

func weigh(k Kernel, z, e, logits []float32, t float32) (top, sum float32, ok bool) {
	if t == 0 {
		t = 1
	}
	e = e[:len(z)]
	k.Div(z, logits, t)
	if !k.Finite(z) {
		return 0, 0, false
	}
	top = k.Max(z)
	k.Exp(e, z, top)
	return top, k.Sum(e), true
}
