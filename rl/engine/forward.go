package engine

// The forward pass. A batch is a list of rows, each one token of one sequence at
// one position; a sequence's rows come in order of position, and the keys and
// values of all earlier positions are in its cache or in the same batch. A
// prefill is a batch with many rows of a sequence, a decode step one with a
// single row of each. There is no other path, and since a row's result depends
// on nothing but the rows before it in its own sequence, both give equal bits.

// row is one token to compute.
type row struct {
	token int32
	pos   int
	cache *cache
}

// acts are a layer's activations for all rows of a batch, row-major. Inference
// reuses one acts for every layer; training keeps one for each.
type acts struct {
	x      []float32 // [rows, hidden] residual stream at the layer's input
	inv    []float32 // [rows] 1/rms of x
	h      []float32 // [rows, hidden] normalized x
	qkv    []float32 // [rows, q+k+v] after bias and rotation
	probs  []float32 // [rows, heads, stride] attention; training only
	att    []float32 // [rows, heads*headDim] attention output
	proj   []float32 // [rows, hidden] output of o or down, before the residual sum
	mid    []float32 // [rows, hidden] residual stream between attention and MLP
	midInv []float32 // [rows] 1/rms of mid
	midH   []float32 // [rows, hidden] normalized mid
	gateUp []float32 // [rows, 2*intermediate]
	act    []float32 // [rows, intermediate] silu(gate)*up
}

// resize makes room for n rows.
func (a *acts) resize(c Config, n int) {
	h, m := c.HiddenSize, c.IntermediateSize
	grow(&a.x, n*h)
	grow(&a.inv, n)
	grow(&a.h, n*h)
	grow(&a.qkv, n*(c.qDim()+2*c.kvDim()))
	grow(&a.att, n*c.qDim())
	grow(&a.proj, n*h)
	grow(&a.mid, n*h)
	grow(&a.midInv, n)
	grow(&a.midH, n*h)
	grow(&a.gateUp, n*2*m)
	grow(&a.act, n*m)
}

// grow sets the length of a scratch slice; its content is undefined after.
func grow(s *[]float32, n int) {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
}

// pass runs batches through a model; it owns scratch memory, so each goroutine
// needs its own.
type pass struct {
	m      *Model
	c      Config
	rope   *ropeTable
	one    acts      // inference: shared by all layers
	out    []float32 // [rows, hidden] residual stream after the last layer
	outInv []float32 // [rows] 1/rms of out
	hidden []float32 // [rows, hidden] final hidden states, after the last norm
	logits []float32 // [rows, vocab]
	scores []float32 // [heads in a group, stride] scratch of attention

	sampler      sampler
	normG, normX []float32 // [hidden] scratch of normBack
	back         backScratch
}

func newPass(m *Model) *pass { return &pass{m: m, c: m.cfg, rope: m.rope()} }

// run computes the final hidden states of all rows into p.hidden. With a tape of
// one acts per layer it keeps what the backward pass needs.
func (p *pass) run(rows []row, tape []acts) {
	h := p.c.HiddenSize
	grow(&p.out, len(rows)*h)
	for i, r := range rows {
		copy(p.out[i*h:(i+1)*h], p.m.w.embed[int(r.token)*h:])
	}
	for l := range p.m.w.layers {
		a := &p.one
		if tape != nil {
			a = &tape[l]
		}
		a.resize(p.c, len(rows))
		copy(a.x, p.out)
		p.attention(l, rows, a, tape != nil)
		p.mlp(l, len(rows), a)
	}
	grow(&p.outInv, len(rows))
	grow(&p.hidden, len(rows)*h)
	p.norm(p.hidden, p.outInv, p.out, p.m.w.norm)
}

// head computes the logits of the given rows of p.hidden into p.logits, in order.
func (p *pass) head(hidden []float32) {
	h, v := p.c.HiddenSize, p.c.VocabSize
	n := len(hidden) / h
	grow(&p.logits, n*v)
	kern.matmul(p.logits, v, hidden, h, p.m.forward.head, v, n, v, h, false)
}

// norm is RMSNorm: y = (x * inv) * weight with inv = 1 / sqrt(mean(x²) + eps).
func (p *pass) norm(y, inv, x, weight []float32) {
	h := p.c.HiddenSize
	scale := inverseOf(h)
	for i := range inv {
		xi, yi := x[i*h:(i+1)*h], y[i*h:(i+1)*h]
		mean := float32(dotProduct(xi, xi) * scale)
		inv[i] = 1 / sqrt32(mean+p.c.RMSNormEps)
		for j, v := range xi {
			yi[j] = float32(v*inv[i]) * weight[j]
		}
	}
}

// mlp is the second half of a layer: p.out = mid + down(silu(gate(n)) * up(n)),
// n the normalized mid.
func (p *pass) mlp(l, n int, a *acts) {
	h, m := p.c.HiddenSize, p.c.IntermediateSize
	w, t := &p.m.w.layers[l], &p.m.forward.layers[l]
	p.norm(a.midH, a.midInv, a.mid, w.mlpNorm)
	kern.matmul(a.gateUp, 2*m, a.midH, h, t.gateUp, 2*m, n, 2*m, h, false)
	for i := range n {
		gate, up := a.gateUp[i*2*m:i*2*m+m], a.gateUp[i*2*m+m:(i+1)*2*m]
		act := a.act[i*m : (i+1)*m]
		for j, g := range gate {
			act[j] = float32(g/(1+exp32(-g))) * up[j]
		}
	}
	kern.matmul(a.proj, h, a.act, m, t.down, h, n, h, m, false)
	addInto(p.out, a.mid, a.proj)
}

// addInto sets dst = a + b, element by element.
func addInto(dst, a, b []float32) {
	for i, x := range a {
		dst[i] = x + b[i]
	}
}
