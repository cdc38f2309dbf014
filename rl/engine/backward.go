package engine

import "github.com/galahad-network/galahad/rl/kernel"

// tape is everything about a lot of sequences that the gradient needs: the
// activations of the forward pass and the derivatives of the loss by them. A lot
// is a few consecutive sequences that are computed as one batch. Matrices are
// row-major with a row for each input token (all tokens of a sequence but its
// last), sequence after sequence; "predicting" rows are those whose next token
// belongs to a completion.
type tape struct {
	p       *pass // of this tape alone: its out, outInv and hidden are the lot's
	seqs    []TrainSequence
	rows    []row
	acts    []acts
	last    []float32 // [predicting, hidden] the rows of hidden that predict
	z       []float32 // [vocab] of one row
	y       []float32 // [predicting, vocab] softmax; then the derivative by the logits
	logp    []float32 // [predicting]
	invalid int       // the first sequence with a logit that is not finite, or -1

	dlogp   []float32 // [predicting] from the caller
	dlast   []float32 // [predicting, hidden]
	dhidden []float32 // [rows, hidden] by the last norm's output
	dx      []float32 // [rows, hidden] by the embeddings
	dact    []float32 // [rows, intermediate] of one layer
	layers  []layerGrads
	scratch headScratch
}

// layerGrads are derivatives of the loss by a layer's activations, those that the
// gradient of a weight needs.
type layerGrads struct {
	dout    []float32 // [rows, hidden] by the layer's output, hence by down's output
	dgateUp []float32 // [rows, 2*intermediate]
	dmidH   []float32 // [rows, hidden] by the MLP norm's output
	dmid    []float32 // [rows, hidden] by the stream after attention, hence by o's output
	datt    []float32 // [rows, heads*headDim]
	dqkv    []float32 // [rows, q+k+v] before rotation
	dh      []float32 // [rows, hidden] by the attention norm's output
}

// newTape returns a tape for a model of the weights w.
func newTape(m *Model, w *weights, k kernel.Kernel) *tape {
	p := newPass(m, k, nil)
	p.table = w.embed
	return &tape{p: p, acts: make([]acts, m.cfg.NumHiddenLayers), layers: make([]layerGrads, m.cfg.NumHiddenLayers)}
}

// inputs is the number of rows of a sequence.
func (s *TrainSequence) inputs() int { return len(s.Tokens) - 1 }

// temperature returns the divisor of the logits.
func (s *TrainSequence) temperature() float32 {
	if s.Temperature == 0 {
		return 1
	}
	return s.Temperature
}

// forward runs the lot, and keeps its activations and log-probabilities.
func (tp *tape) forward(pool *pagePool) {
	p, h, v, seqs := tp.p, tp.p.c.HiddenSize, tp.p.c.VocabSize, tp.seqs
	tp.rows, tp.last = tp.rows[:0], tp.last[:0]
	for i := range seqs {
		n := seqs[i].inputs()
		tp.rows = append(tp.rows, rowsOf(seqs[i].Tokens[:n], pool.newCache(n))...)
	}
	p.run(tp.rows, tp.acts)
	at := 0
	for i := range seqs {
		end := at + seqs[i].inputs()
		tp.last = append(tp.last, p.hidden[(at+seqs[i].Prompt-1)*h:end*h]...)
		tp.rows[at].cache.release() // the backward pass has keys and values in acts.qkv
		at = end
	}
	p.head(tp.last)
	tp.y, tp.logp, tp.invalid = p.logits, tp.logp[:0], -1
	grow(&tp.z, v)
	for i := range seqs {
		for _, id := range seqs[i].Tokens[seqs[i].Prompt:] {
			y := tp.y[len(tp.logp)*v:][:v]
			top, sum, finite := p.k.Weigh(tp.z, y, y, seqs[i].temperature())
			if !finite && tp.invalid < 0 {
				tp.invalid = i
			}
			tp.logp = append(tp.logp, float32(tp.z[id]-top)-kernel.Log(sum))
			p.k.Div(y, y, sum)
		}
	}
}

// backward computes the derivatives by all activations from dlogp. w are the
// weights that the forward pass read, row-major.
func (tp *tape) backward(w *weights) {
	p, h, v, n := tp.p, tp.p.c.HiddenSize, tp.p.c.VocabSize, len(tp.rows)
	tp.logitGradient()
	grow(&tp.dlast, len(tp.last))
	p.k.Mul(tp.dlast, h, tp.y, v, 1, w.head, h, len(tp.dlogp), h, v, false)
	grow(&tp.dhidden, n*h)
	clear(tp.dhidden)
	at, dlast := 0, tp.dlast
	for i := range tp.seqs {
		end := at + tp.seqs[i].inputs()
		dlast = dlast[copy(tp.dhidden[(at+tp.seqs[i].Prompt-1)*h:end*h], dlast):]
		at = end
	}
	grow(&tp.dx, n*h)
	clear(tp.dx)
	p.k.NormBackRows(tp.dx, tp.dhidden, p.out, p.outInv, w.norm)
	for l := len(tp.layers) - 1; l >= 0; l-- {
		tp.layerBack(&w.layers[l], l)
	}
}

// logitGradient turns the probabilities in y into the derivative by the logits,
// dlogp * (onehot - softmax) / temperature. The sign is moved to dlogp, which
// changes no bit.
func (tp *tape) logitGradient() {
	k, v, t := tp.p.k, tp.p.c.VocabSize, 0
	for i := range tp.seqs {
		s := &tp.seqs[i]
		for _, id := range s.Tokens[s.Prompt:] {
			dl, y := tp.dlogp[t], tp.y[t*v:(t+1)*v]
			rest := 1 - y[id]
			k.Scale(y, y, -dl)
			y[id] = float32(dl * rest)
			k.Div(y, y, s.temperature())
			t++
		}
	}
}

// layerBack turns tp.dx, the derivative by the layer's output, into the one by
// its input.
func (tp *tape) layerBack(w *layerWeights, l int) {
	p, c, n := tp.p, tp.p.c, len(tp.rows)
	h, m, qd, kd := c.HiddenSize, c.IntermediateSize, c.qDim(), c.kvDim()
	width := qd + 2*kd
	a, d := &tp.acts[l], &tp.layers[l]

	d.dout = append(d.dout[:0], tp.dx...)
	grow(&tp.dact, n*m)
	p.k.Mul(tp.dact, m, d.dout, h, 1, w.down, m, n, m, h, false)
	grow(&d.dgateUp, n*2*m)
	p.k.SwiGLUBackRows(d.dgateUp, tp.dact, a.gateUp, m)
	grow(&d.dmidH, n*h)
	p.k.Mul(d.dmidH, h, d.dgateUp, 2*m, 1, w.gate, h, n, h, m, false)
	p.k.Mul(d.dmidH, h, d.dgateUp[m:], 2*m, 1, w.up, h, n, h, m, true)
	p.k.NormBackRows(tp.dx, d.dmidH, a.mid, a.midInv, w.mlpNorm)

	d.dmid = append(d.dmid[:0], tp.dx...)
	grow(&d.datt, n*qd)
	p.k.Mul(d.datt, qd, d.dmid, h, 1, w.o, qd, n, qd, h, false)
	grow(&d.dqkv, n*width)
	tp.attentionBack(a, d)
	for i, r := range tp.rows {
		cos, sin := p.m.rope.rows(r.pos)
		p.k.RotateHeadsBack(d.dqkv[i*width:i*width+qd+kd], cos, sin)
	}
	grow(&d.dh, n*h)
	p.k.Mul(d.dh, h, d.dqkv, width, 1, w.q, h, n, h, qd, false)
	p.k.Mul(d.dh, h, d.dqkv[qd:], width, 1, w.k, h, n, h, kd, true)
	p.k.Mul(d.dh, h, d.dqkv[qd+kd:], width, 1, w.v, h, n, h, kd, true)
	p.k.NormBackRows(tp.dx, d.dh, a.x, a.inv, w.attnNorm)
}
