package kernel

func (k neon) NormRows(y, inv, x, weight []float32, eps float32) {
	normRows(k, y, inv, x, weight, eps)
}

func (k neon) NormBackRows(dx, dy, x, inv, weight []float32) {
	normBackRows(k, dx, dy, x, inv, weight)
}

func (k neon) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	softmaxRows(k, x, stride, rows, n, grow, scale)
}

func (k neon) SoftmaxBackRows(d []float32, strideD int, p []float32, strideP, rows, n, grow int, scale float32) {
	softmaxBackRows(k, d, strideD, p, strideP, rows, n, grow, scale)
}

func (k neon) RotateHeads(x, cos, sin []float32)     { rotateHeads(k.Rotate, x, cos, sin) }
func (k neon) RotateHeadsBack(x, cos, sin []float32) { rotateHeads(k.RotateBack, x, cos, sin) }
func (k neon) SwiGLURows(dst, gateUp []float32, n int) {
	swiGLURows(k, dst, gateUp, n)
}

func (k neon) SwiGLUBackRows(dgateUp, dact, gateUp []float32, n int) {
	swiGLUBackRows(k, dgateUp, dact, gateUp, n)
}

func (k neon) Weigh(z, e, logits []float32, t float32) (top, sum float32, ok bool) {
	return weigh(k, z, e, logits, t)
}
