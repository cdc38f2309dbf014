package engine

import "github.com/galahad-network/galahad/rl/kernel"

// tape is everything about one sequence that the gradient needs: activations of
// the forward pass and derivatives of the loss by them. Matrices are row-major
// with a row for each input token (all but the sequence's last).
type tape struct {
	seq    *TrainSequence
	rows   []row
	acts   []acts
	out    []float32 // [rows, hidden] residual stream after the last layer
	outInv []float32 // [rows]
	hidden []float32 // [rows, hidden] after the last norm

	logits []float32 // [completion, vocab]
	logp   []float32 // [completion]
	finite bool

	dlogp   []float32 // [completion] from the caller
	dlogits []float32 // [completion, vocab]
	dhidden []float32 // [rows, hidden] by the last norm's output
	dx      []float32 // [rows, hidden] by the embeddings
	layers  []layerGrads
}

// layerGrads are derivatives of the loss by a layer's activations.
type layerGrads struct {
	dout    []float32 // [rows, hidden] by the layer's output, hence by down's output
	dact    []float32 // [rows, intermediate]
	dgateUp []float32 // [rows, 2*intermediate]
	dmidH   []float32 // [rows, hidden] by the MLP norm's output
	dmid    []float32 // [rows, hidden] by the stream after attention, hence by o's output
	datt    []float32 // [rows, heads*headDim]
	dqkv    []float32 // [rows, q+k+v] before rotation
	dh      []float32 // [rows, hidden] by the attention norm's output
}

// lastHidden returns the rows of hidden that predict the completion.
func (tp *tape) lastHidden(c Config) []float32 { return tp.hidden[(tp.seq.Prompt-1)*c.HiddenSize:] }

// temperature returns the divisor of the logits.
func (s *TrainSequence) temperature() float32 {
	if s.Temperature == 0 {
		return 1
	}
	return s.Temperature
}

// forward runs the sequence and keeps its activations and log-probabilities.
func (tp *tape) forward(p *pass, seq *TrainSequence) {
	c := p.c
	tokens := seq.Tokens[:len(seq.Tokens)-1]
	tp.seq = seq
	tp.rows = rowsOf(tokens, newPagePool(c, 0).newCache(len(tokens)))
	if tp.acts == nil {
		tp.acts = make([]acts, c.NumHiddenLayers)
		tp.layers = make([]layerGrads, c.NumHiddenLayers)
	}
	p.run(tp.rows, tp.acts)
	tp.out = append(tp.out[:0], p.out...)
	tp.outInv = append(tp.outInv[:0], p.outInv...)
	tp.hidden = append(tp.hidden[:0], p.hidden...)
	p.head(tp.lastHidden(c))
	tp.logits = append(tp.logits[:0], p.logits...)
	tp.logp, tp.finite = tp.logp[:0], true
	v := c.VocabSize
	for t, id := range seq.Tokens[seq.Prompt:] {
		d := p.sampler.normalize(tp.logits[t*v:(t+1)*v], seq.temperature())
		tp.finite = tp.finite && !d.invalid
		tp.logp = append(tp.logp, p.sampler.logProb(d, id))
	}
}

// backward computes the derivatives by all activations from dlogp.
func (tp *tape) backward(p *pass, w *weights) {
	c := p.c
	h, v, n := c.HiddenSize, c.VocabSize, len(tp.rows)
	tp.logitGradient(p)
	grow(&tp.dhidden, n*h)
	clear(tp.dhidden)
	last := tp.dhidden[(tp.seq.Prompt-1)*h:]
	kern.Mul(last, h, tp.dlogits, v, 1, w.head, h, len(tp.dlogp), h, v, false)

	grow(&tp.dx, n*h)
	clear(tp.dx)
	p.normBack(tp.dx, tp.dhidden, tp.out, tp.outInv, w.norm)
	for l := len(tp.layers) - 1; l >= 0; l-- {
		tp.layerBack(p, w, l)
	}
}

// logitGradient sets dlogits = dlogp * (onehot - softmax) / temperature.
func (tp *tape) logitGradient(p *pass) {
	v := p.c.VocabSize
	grow(&tp.dlogits, len(tp.dlogp)*v)
	for t, dl := range tp.dlogp {
		s := &p.sampler
		s.normalize(tp.logits[t*v:(t+1)*v], tp.seq.temperature())
		total := kern.Sum(s.e)
		d := tp.dlogits[t*v : (t+1)*v]
		for j, e := range s.e {
			x := -float32(e / total)
			if int32(j) == tp.seq.Tokens[tp.seq.Prompt+t] {
				x = 1 + x
			}
			d[j] = float32(dl*x) / tp.seq.temperature()
		}
	}
}

// layerBack turns tp.dx, the derivative by the layer's output, into the one by
// its input.
func (tp *tape) layerBack(p *pass, all *weights, l int) {
	c, n := p.c, len(tp.rows)
	h, m, qd, kd := c.HiddenSize, c.IntermediateSize, c.qDim(), c.kvDim()
	width := qd + 2*kd
	a, d, w := &tp.acts[l], &tp.layers[l], &all.layers[l]

	d.dout = append(d.dout[:0], tp.dx...)
	grow(&d.dact, n*m)
	kern.Mul(d.dact, m, d.dout, h, 1, w.down, m, n, m, h, false)
	grow(&d.dgateUp, n*2*m)
	for i := range n {
		at := i * 2 * m
		gluBack(d.dgateUp[at:at+m], d.dgateUp[at+m:at+2*m], d.dact[i*m:], a.gateUp[at:at+m], a.gateUp[at+m:at+2*m])
	}
	grow(&d.dmidH, n*h)
	kern.Mul(d.dmidH, h, d.dgateUp, 2*m, 1, w.gate, h, n, h, m, false)
	kern.Mul(d.dmidH, h, d.dgateUp[m:], 2*m, 1, w.up, h, n, h, m, true)
	p.normBack(tp.dx, d.dmidH, a.mid, a.midInv, w.mlpNorm)

	d.dmid = append(d.dmid[:0], tp.dx...)
	grow(&d.datt, n*qd)
	kern.Mul(d.datt, qd, d.dmid, h, 1, w.o, qd, n, qd, h, false)
	grow(&d.dqkv, n*width)
	tp.attentionBack(p, l)
	for i, r := range tp.rows {
		for at := i * width; at < i*width+qd+kd; at += c.HeadDim {
			cos, sin := p.m.rope.rows(r.pos)
			p.k.RotateBack(d.dqkv[at:at+c.HeadDim/2], d.dqkv[at+c.HeadDim/2:at+c.HeadDim], cos, sin)
		}
	}
	grow(&d.dh, n*h)
	kern.Mul(d.dh, h, d.dqkv, width, 1, w.q, h, n, h, qd, false)
	kern.Mul(d.dh, h, d.dqkv[qd:], width, 1, w.k, h, n, h, kd, true)
	kern.Mul(d.dh, h, d.dqkv[qd+kd:], width, 1, w.v, h, n, h, kd, true)
	p.normBack(tp.dx, d.dh, a.x, a.inv, w.attnNorm)
}

// gluBack is the derivative of silu(gate)*up.
func gluBack(dgate, dup, dact, gate, up []float32) {
	for j, g := range gate {
		d := 1 + kernel.Exp(-g)
		sigma, silu := 1/d, g/d
		slope := float32(sigma * kernel.FMA(g, 1-sigma, 1))
		dgate[j] = float32(float32(dact[j]*up[j]) * slope)
		dup[j] = float32(dact[j] * silu)
	}
}

// normBack adds the derivative through RMSNorm to dx: with xn = x*inv and
// g = dy*weight, it is inv * (g - xn * mean(g*xn)).
func (p *pass) normBack(dx, dy, x, inv, weight []float32) {
	h := p.c.HiddenSize
	scale := kernel.Inverse(h)
	grow(&p.normG, h)
	grow(&p.normX, h)
	g, xn := p.normG, p.normX
	for i, s := range inv {
		at := i * h
		for j, w := range weight {
			g[j] = float32(dy[at+j] * w)
			xn[j] = float32(x[at+j] * s)
		}
		mean := float32(kern.Dot(g, xn) * scale)
		for j := range g {
			dx[at+j] += float32(s * (g[j] - float32(xn[j]*mean)))
		}
	}
}

// attentionBack fills dqkv, as it is after rotation, from datt.
func (tp *tape) attentionBack(p *pass, l int) {
	c, n := p.c, len(tp.rows)
	hd, qd, kd := c.HeadDim, c.qDim(), c.kvDim()
	width := qd + 2*kd
	a, d := &tp.acts[l], &tp.layers[l]
	group := c.NumAttentionHeads / c.NumKeyValueHeads
	scale := kernel.InverseSqrt(hd)
	kv := tp.rows[0].cache
	stride := p.keptStride(tp.rows)
	s := &p.back
	grow(&s.keys, stride*hd)
	grow(&s.values, hd*stride)
	grow(&s.dscores, n*stride)
	grow(&s.turnedS, stride*n)
	grow(&s.turnedP, stride*n)
	for head := range c.NumAttentionHeads {
		shared := head / group
		if head%group == 0 {
			for page := range kv.pages {
				transposeInto(s.keys[page*pagePositions*hd:], hd, kv.keys(page, l, shared), pagePositions)
				transposeInto(s.values[page*pagePositions:], stride, kv.values(page, l, shared), hd)
			}
		}
		for i := range n {
			at := (i*c.NumAttentionHeads + head) * stride
			probs, ds := a.probs[at:at+stride], s.dscores[i*stride:(i+1)*stride]
			kern.Mul(ds, stride, d.datt[i*qd+head*hd:], hd, 1, s.values, stride, 1, pagesFor(i+1)*pagePositions, hd, false)
			dot := kern.Dot(probs[:i+1], ds[:i+1])
			for t, pr := range probs[:i+1] {
				ds[t] = float32(float32(pr*(ds[t]-dot)) * scale)
				s.turnedS[t*n+i], s.turnedP[t*n+i] = ds[t], pr
			}
			kern.Mul(d.dqkv[i*width+head*hd:], width, ds, stride, 1, s.keys, hd, 1, hd, i+1, false)
		}
		// A key or value is used by its own position and all later ones.
		for t := range n {
			dk := d.dqkv[t*width+qd+shared*hd:]
			dv := d.dqkv[t*width+qd+kd+shared*hd:]
			add := head%group != 0
			kern.Mul(dk, width, s.turnedS[t*n+t:], n, 1, a.qkv[t*width+head*hd:], width, 1, hd, n-t, add)
			kern.Mul(dv, width, s.turnedP[t*n+t:], n, 1, d.datt[t*qd+head*hd:], qd, 1, hd, n-t, add)
		}
	}
}

// backScratch is scratch memory of attentionBack.
type backScratch struct {
	keys    []float32 // [stride, headDim]
	values  []float32 // [headDim, stride]
	dscores []float32 // [rows, stride]
	turnedS []float32 // [stride, rows] transpose of dscores
	turnedP []float32 // [stride, rows] transpose of the probabilities
}
