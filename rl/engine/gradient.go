package engine

import "github.com/galahad-network/galahad/rl/kernel"

// gradientTask adds one part of the weights' gradient for all rows of a lot.
// Tasks write to disjoint memory, so that threads can share them out; each runs
// through the lots in order.
type gradientTask func(tp *tape)

// taskRows is how many rows of a weight matrix one task covers.
const taskRows = 64

// gradientTasks splits the gradient into tasks.
func (t *Trainer) gradientTasks() []gradientTask {
	c, k := t.live.cfg, t.kernel
	h, m, qd, kd := c.HiddenSize, c.IntermediateSize, c.qDim(), c.kvDim()
	var tasks []gradientTask
	// matrix adds dY^T·X to g, where the tape gives dY, of which the matrix owns
	// columns column.. of rows width wide, and X of rows in wide.
	matrix := func(g []float32, in, column, width int, of func(*tape) (dy, x []float32)) {
		for r := 0; r < len(g)/in; r += taskRows {
			end := min(r+taskRows, len(g)/in)
			tasks = append(tasks, func(tp *tape) {
				dy, x := of(tp)
				k.Mul(g[r*in:end*in], in, dy[column+r:], 1, width, x, in, end-r, in, len(x)/in, true)
			})
		}
	}
	for l := range t.grad.layers {
		g := &t.grad.layers[l]
		qkv := func(tp *tape) (dy, x []float32) { return tp.layers[l].dqkv, tp.acts[l].h }
		matrix(g.q, h, 0, qd+2*kd, qkv)
		matrix(g.k, h, qd, qd+2*kd, qkv)
		matrix(g.v, h, qd+kd, qd+2*kd, qkv)
		matrix(g.o, qd, 0, h, func(tp *tape) (dy, x []float32) { return tp.layers[l].dmid, tp.acts[l].att })
		gateUp := func(tp *tape) (dy, x []float32) { return tp.layers[l].dgateUp, tp.acts[l].midH }
		matrix(g.gate, h, 0, 2*m, gateUp)
		matrix(g.up, h, m, 2*m, gateUp)
		matrix(g.down, m, 0, h, func(tp *tape) (dy, x []float32) { return tp.layers[l].dout, tp.acts[l].act })
		tasks = append(tasks, func(tp *tape) {
			a, d := &tp.acts[l], &tp.layers[l]
			addNormGradient(k, g.attnNorm, d.dh, a.x, a.inv)
			addNormGradient(k, g.mlpNorm, d.dmidH, a.mid, a.midInv)
			if c.hasBias() {
				addBiasGradient(k, g.qBias, d.dqkv, qd+2*kd)
				addBiasGradient(k, g.kBias, d.dqkv[qd:], qd+2*kd)
				addBiasGradient(k, g.vBias, d.dqkv[qd+kd:], qd+2*kd)
			}
		})
	}
	matrix(t.headGrad, h, 0, c.VocabSize, func(tp *tape) (dy, x []float32) { return tp.y, tp.last })
	return append(tasks, func(tp *tape) {
		addNormGradient(k, t.grad.norm, tp.dhidden, tp.p.out, tp.p.outInv)
		for i, r := range tp.rows {
			to := t.grad.embed[int(r.token)*h : (int(r.token)+1)*h]
			k.Add(to, to, tp.dx[i*h:(i+1)*h])
		}
	})
}

// addNormGradient adds sum over rows of dy * (x * inv) to g, rows ascending.
func addNormGradient(k kernel.Kernel, g, dy, x, inv []float32) {
	h := len(g)
	for i, s := range inv {
		k.AddScaleProduct(g, dy[i*h:(i+1)*h], x[i*h:(i+1)*h], s)
	}
}

// ones is a row of as many ones as are asked for, by a step of 0.
var ones = []float32{1}

// addBiasGradient adds the rows of dy, which are width apart, to g, rows ascending:
// a product with ones, which changes no summand.
func addBiasGradient(k kernel.Kernel, g, dy []float32, width int) {
	rows := (len(dy) + width - len(g)) / width
	k.Mul(g, len(g), ones, 0, 0, dy, width, 1, len(g), rows, true)
}
