package engine

import "github.com/galahad-network/galahad/rl/kernel"

// The forward pass. A batch is a list of rows, each one token of one sequence at
// one position; a sequence's rows come in order of position, and the keys and
// values of all earlier positions are in its cache or in the same batch. A
// prefill is a batch with many rows of a sequence, a decode step one with a
// single row of each, and both may share a batch. There is no other path, and
// since a row's result depends on nothing but the rows before it in its own
// sequence, all give equal bits.

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
	probs  []float32 // [rows, heads, stride] attention, up to the row's position; training only
	stride int       // see keptStride
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
// needs its own. With a crew it shares out each operation; without, it runs on
// the caller's goroutine alone.
type pass struct {
	m      *Model
	c      Config
	k      kernel.Kernel
	crew   *crew
	table  []float32 // [vocab, hidden] embeddings, where there are such beside the operands
	one    acts      // inference: shared by all layers
	out    []float32 // [rows, hidden] residual stream after the last layer
	outInv []float32 // [rows] 1/rms of out
	hidden []float32 // [rows, hidden] final hidden states, after the last norm
	logits []float32 // [rows, vocab]
	tiles  []tile
	own    []scratch // of each worker
	job    job       // the operation under way
}

// scratch is the memory of one worker.
type scratch struct {
	scores  []float32 // of one tile: [rows, heads in a group, positions in whole pages]
	sampler sampler
}

// job holds the arguments of the operation that a crew shares out; a task is the
// pass itself under another type, so that handing it over allocates nothing.
type job struct {
	layer int
	each  int // rows in a part, where an operation is split by rows
	rows  []row
	acts  *acts
	keep  bool
	norm  normJob
	mul   productTask
}

// newPass returns a pass of m with kernel k; crew may be nil.
func newPass(m *Model, k kernel.Kernel, crew *crew) *pass {
	p := &pass{m: m, c: m.cfg, k: k}
	p.join(crew)
	return p
}

// join makes p share out its operations to a crew from now on.
func (p *pass) join(crew *crew) {
	p.crew = crew
	for len(p.own) < crew.size() {
		p.own = append(p.own, scratch{sampler: sampler{k: p.k}})
	}
}

// byRows shares out an operation on n rows: part i is rows i*each.. of it.
func (p *pass) byRows(n int, t task) {
	p.job.each = max(1, (n+4*p.crew.size()-1)/(4*p.crew.size()))
	if p.crew == nil {
		p.job.each = n
	}
	p.crew.run((n+p.job.each-1)/max(1, p.job.each), t)
}

// part is the range of rows of part i, of n rows in all.
func (j *job) part(i, n int) (lo, hi int) { return i * j.each, min((i+1)*j.each, n) }

// run computes the final hidden states of all rows into p.hidden. With a tape of
// one acts per layer it keeps what the backward pass needs.
func (p *pass) run(rows []row, tape []acts) {
	h := p.c.HiddenSize
	grow(&p.out, len(rows)*h)
	for i, r := range rows {
		x := p.out[i*h : (i+1)*h]
		if p.table != nil {
			copy(x, p.table[int(r.token)*h:])
		} else {
			p.m.ops.embed.Column(x, int(r.token))
		}
	}
	p.cut(rows)
	for l := range p.m.ops.layers {
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
	p.norm(p.hidden, p.outInv, p.out, p.m.ops.norm)
}

// head computes the logits of the given rows of p.hidden into p.logits, in order.
func (p *pass) head(hidden []float32) {
	h, v := p.c.HiddenSize, p.c.VocabSize
	n := len(hidden) / h
	grow(&p.logits, n*v)
	p.product(p.logits, v, hidden, h, p.m.ops.head, n)
}

// norm is RMSNorm: y = (x * inv) * weight with inv = 1 / sqrt(mean(x²) + eps).
func (p *pass) norm(y, inv, x, weight []float32) {
	p.job.norm = normJob{y, inv, x, weight}
	p.byRows(len(inv), (*normTask)(p))
}

type normJob struct{ y, inv, x, weight []float32 }

type normTask pass

func (t *normTask) part(_, i int) {
	h, j := t.c.HiddenSize, &t.job.norm
	lo, hi := t.job.part(i, len(j.inv))
	t.k.NormRows(j.y[lo*h:hi*h], j.inv[lo:hi], j.x[lo*h:hi*h], j.weight, t.c.RMSNormEps)
}

// mlp is the second half of a layer: p.out = mid + down(silu(gate(n)) * up(n)),
// n the normalized mid.
func (p *pass) mlp(l, n int, a *acts) {
	h, m := p.c.HiddenSize, p.c.IntermediateSize
	w := &p.m.ops.layers[l]
	p.norm(a.midH, a.midInv, a.mid, w.mlpNorm)
	p.product(a.gateUp, 2*m, a.midH, h, w.gateUp, n)
	p.job.acts = a
	p.byRows(n, (*gluTask)(p))
	p.product(a.proj, h, a.act, m, w.down, n)
	p.k.Add(p.out[:n*h], a.mid, a.proj)
}

type gluTask pass

func (t *gluTask) part(_, i int) {
	m, a := t.c.IntermediateSize, t.job.acts
	lo, hi := t.job.part(i, len(a.act)/m)
	t.k.SwiGLURows(a.act[lo*m:hi*m], a.gateUp[lo*2*m:hi*2*m], m)
}
