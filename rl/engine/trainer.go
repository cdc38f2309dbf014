package engine

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/kernel"
)

// TrainSequence is one sequence to train on; the completion is Tokens[Prompt:].
type TrainSequence struct {
	Tokens []int32
	Prompt int // number of leading tokens that are the prompt, at least 1
	// Temperature divides the logits as in sampling; 0 means 1.
	Temperature float32
}

// Trainer holds float32 master weights, their gradient and AdamW's moments.
// Accumulate adds to the gradient, Step uses it up. Not safe for concurrent use;
// each call uses up to Options.Threads goroutines of its own. The bits of the
// result depend on the sequences and their order, and on nothing else: not on the
// number of threads, and not on how a batch is split over calls of Accumulate.
type Trainer struct {
	live     *Model   // what the forward pass reads: the masters, packed anew by Step
	master   *weights // float32, as they are
	threads  int
	grad     *weights
	headGrad []float32 // gradient of the output matrix; apart from grad.embed where they are tied
	moment1  *weights
	moment2  *weights
	power1   float32 // product of all beta1 so far
	power2   float32
	steps    uint64

	passes []*pass
	tapes  []*tape
}

// inFlight is how many sequences are held in memory between their forward pass
// and the gradient of the weights. It changes no bit.
const inFlight = 16

// NewTrainer starts from the weights of m, with zero moments. It panics like New
// if the processor's floating-point mode breaks the rules.
func NewTrainer(m *Model, opt Options) *Trainer {
	if err := CheckArithmetic(); err != nil {
		panic(err)
	}
	master := m.flatten()
	live := newModel(m.cfg, m.specs, master)
	live.rope = m.rope
	t := &Trainer{
		live: live, master: master, threads: opt.threads(), power1: 1, power2: 1,
		grad: newWeights(m.cfg, m.specs), moment1: newWeights(m.cfg, m.specs), moment2: newWeights(m.cfg, m.specs),
	}
	t.headGrad = t.grad.head
	if m.cfg.TieWordEmbeddings {
		t.headGrad = make([]float32, len(t.grad.head))
	}
	return t
}

// Model returns a copy of the master weights as they are now, in float32; see
// Model.RoundBF16 for what is published.
func (t *Trainer) Model() *Model {
	m := newModel(t.live.cfg, t.live.specs, t.master)
	m.rope = t.live.rope
	return m
}

// Steps returns how many optimizer steps the weights have taken.
func (t *Trainer) Steps() uint64 { return t.steps }

// Accumulate adds the gradient of a loss over seqs to the trainer's gradient.
// For each sequence, in order and on the caller's goroutine, it calls grad with
// the log-probabilities of the completion's tokens; grad returns the derivative
// of the loss by each of them (the same length; it may reuse logp's memory).
//
// On an error (an *InputError for a malformed sequence, logits or derivatives
// that are not finite; or the context's error) the gradient accumulated so far is
// dropped, and the weights stay as they were.
func (t *Trainer) Accumulate(ctx context.Context, seqs []TrainSequence, grad func(i int, logp []float32) (dlogp []float32)) error {
	for i := range seqs {
		if err := t.checkSequence(&seqs[i]); err != nil {
			t.dropGradient()
			return &InputError{i, err.Error()}
		}
	}
	for from := 0; from < len(seqs); from += inFlight {
		if err := t.accumulate(ctx, seqs, from, min(from+inFlight, len(seqs)), grad); err != nil {
			t.dropGradient()
			return err
		}
	}
	return nil
}

func (t *Trainer) checkSequence(s *TrainSequence) error {
	c := t.live.cfg
	switch {
	case s.Prompt < 1 || s.Prompt >= len(s.Tokens):
		return fmt.Errorf("prompt of %d tokens in a sequence of %d", s.Prompt, len(s.Tokens))
	case len(s.Tokens) > c.MaxPositionEmbeddings:
		return fmt.Errorf("%d tokens in a context of %d", len(s.Tokens), c.MaxPositionEmbeddings)
	case !(s.Temperature >= 0) || !kernel.IsFinite(s.Temperature):
		return fmt.Errorf("temperature %v", s.Temperature)
	}
	return checkTokens(c, s.Tokens)
}

// accumulate handles seqs[from:to]: forward passes side by side, then grad in
// order, then backward passes side by side, then the weights' gradients, split by
// output and each summed in the order of the sequences.
func (t *Trainer) accumulate(ctx context.Context, seqs []TrainSequence, from, to int, grad func(int, []float32) []float32) error {
	n := to - from
	for len(t.tapes) < n {
		t.tapes = append(t.tapes, &tape{})
	}
	for len(t.passes) < min(t.threads, inFlight) {
		t.passes = append(t.passes, newPass(t.live, kern, nil))
	}
	tapes := t.tapes[:n]
	err := parallel(ctx, t.threads, n, func(worker, i int) { tapes[i].forward(t.passes[worker], &seqs[from+i]) })
	if err != nil {
		return err
	}
	for i, tp := range tapes {
		if !tp.finite {
			return &InputError{from + i, "logits are not finite"}
		}
		d := grad(from+i, append([]float32(nil), tp.logp...))
		if len(d) != len(tp.logp) {
			return &InputError{from + i, fmt.Sprintf("%d derivatives for %d tokens", len(d), len(tp.logp))}
		}
		for _, x := range d {
			if !kernel.IsFinite(x) {
				return &InputError{from + i, "a derivative is not finite"}
			}
		}
		tp.dlogp = append(tp.dlogp[:0], d...)
	}
	if err := parallel(ctx, t.threads, n, func(worker, i int) { tapes[i].backward(t.passes[worker], t.master) }); err != nil {
		return err
	}
	tasks := t.gradientTasks()
	return parallel(ctx, t.threads, len(tasks), func(_, i int) { tasks[i](tapes) })
}

func (t *Trainer) dropGradient() {
	clear(t.grad.flat)
	clear(t.headGrad)
}

// gradientTask adds one part of the weights' gradient for all sequences in order.
type gradientTask func(tapes []*tape)

// taskRows is how many rows of a weight matrix one task covers.
const taskRows = 64

// gradientTasks splits the gradient into tasks that write to disjoint memory.
func (t *Trainer) gradientTasks() []gradientTask {
	c := t.live.cfg
	h, m, qd, kd := c.HiddenSize, c.IntermediateSize, c.qDim(), c.kvDim()
	var tasks []gradientTask
	// matrix adds dY^T·X to g, where the tape gives dY, of which the matrix owns
	// columns column.. of rows width wide, and X of rows in wide.
	matrix := func(g []float32, in, column, width int, of func(*tape) (dy, x []float32)) {
		for r := 0; r < len(g)/in; r += taskRows {
			end := min(r+taskRows, len(g)/in)
			tasks = append(tasks, func(tapes []*tape) {
				var turned []float32
				for _, tp := range tapes {
					dy, x := of(tp)
					n := len(x) / in
					grow(&turned, (end-r)*n)
					for i := range n {
						for j, v := range dy[i*width+column+r : i*width+column+end] {
							turned[j*n+i] = v
						}
					}
					kern.Mul(g[r*in:end*in], in, turned, n, 1, x, in, end-r, in, n, true)
				}
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
		tasks = append(tasks, func(tapes []*tape) {
			for _, tp := range tapes {
				a, d := &tp.acts[l], &tp.layers[l]
				addNormGradient(g.attnNorm, d.dh, a.x, a.inv)
				addNormGradient(g.mlpNorm, d.dmidH, a.mid, a.midInv)
				if c.hasBias() {
					addBiasGradient(g.qBias, d.dqkv, qd+2*kd)
					addBiasGradient(g.kBias, d.dqkv[qd:], qd+2*kd)
					addBiasGradient(g.vBias, d.dqkv[qd+kd:], qd+2*kd)
				}
			}
		})
	}
	matrix(t.headGrad, h, 0, c.VocabSize, func(tp *tape) (dy, x []float32) { return tp.dlogits, tp.lastHidden(c) })
	return append(tasks, func(tapes []*tape) {
		for _, tp := range tapes {
			addNormGradient(t.grad.norm, tp.dhidden, tp.out, tp.outInv)
			for i, r := range tp.rows {
				to := t.grad.embed[int(r.token)*h : (int(r.token)+1)*h]
				kern.Add(to, to, tp.dx[i*h:(i+1)*h])
			}
		}
	})
}

// addNormGradient adds sum over rows of dy * (x * inv) to g, rows ascending.
func addNormGradient(g, dy, x, inv []float32) {
	h := len(g)
	for i, s := range inv {
		for j := range g {
			g[j] = kernel.FMA(dy[i*h+j], float32(x[i*h+j]*s), g[j])
		}
	}
}

// addBiasGradient adds the rows of dy, which are width apart, to g.
func addBiasGradient(g, dy []float32, width int) {
	for ; len(dy) >= len(g); dy = dy[min(width, len(dy)):] {
		kern.Add(g, g, dy)
	}
}
