package perturb

import "github.com/galahad-network/galahad/rl/kernel"

// The operations over many rows, from a perturbed kernel's own over one row.

func (k float64Kernel) NormRows(y, inv, x, weight []float32, eps float32) {
	normRows(k, y, inv, x, weight, eps)
}

func (k float64Kernel) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	softmaxRows(k, x, stride, rows, n, grow, scale)
}

func (r reordered) NormRows(y, inv, x, weight []float32, eps float32) {
	normRows(r, y, inv, x, weight, eps)
}

func (r reordered) SoftmaxRows(x []float32, stride, rows, n, grow int, scale float32) {
	softmaxRows(r, x, stride, rows, n, grow, scale)
}

func (b16 bf16Kernel) NormRows(y, inv, x, weight []float32, eps float32) {
	normRows(b16, y, inv, x, weight, eps)
}

func (b16 bf16Kernel) RotateHeads(x, cos, sin []float32) {
	half := len(cos)
	for ; len(x) > 0; x = x[2*half:] {
		b16.Rotate(x[:half], x[half:2*half], cos, sin)
	}
}

func (b16 bf16Kernel) SwiGLURows(dst, gateUp []float32, n int) {
	for i := range len(dst) / n {
		row := gateUp[i*2*n : (i+1)*2*n]
		b16.SwiGLU(dst[i*n:(i+1)*n], row[:n], row[n:])
	}
}

func normRows(k kernel.Kernel, y, inv, x, weight []float32, eps float32) {
	h := len(weight)
	for i := range inv {
		row := x[i*h : (i+1)*h]
		mean := float32(k.Dot(row, row) * kernel.Inverse(h))
		inv[i] = 1 / kernel.Sqrt(mean+eps)
		k.ScaleProduct(y[i*h:(i+1)*h], row, inv[i], weight)
	}
}

func softmaxRows(k kernel.Kernel, x []float32, stride, rows, n, grow int, scale float32) {
	for i := range rows {
		k.Softmax(x[i*stride:i*stride+n+i*grow], scale)
	}
}
