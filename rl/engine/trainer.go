package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

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
	places   []place  // where each tensor lies in live
	master   *weights // float32, as they are
	threads  int
	kernel   kernel.Kernel
	grad     *weights
	headGrad []float32 // gradient of the output matrix; apart from grad.embed where they are tied
	moment1  *weights
	moment2  *weights
	power1   float32 // product of all beta1 so far
	power2   float32
	steps    uint64
	// coefficient of the objective that the rule of the steps moves from one to the next; nil: none does.
	coefficient *float32

	pool  *pagePool
	tapes []*tape // one for each thread
	tasks []gradientTask
}

// lotRows is about how many rows are computed as one batch: enough for products
// to run at full speed, few enough for a small model's activations to stay in the
// cache. It changes no bit.
const lotRows = 128

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
		live: live, master: master, threads: opt.threads(), kernel: opt.kernel(), power1: 1, power2: 1,
		grad: newWeights(m.cfg, m.specs), moment1: newWeights(m.cfg, m.specs), moment2: newWeights(m.cfg, m.specs),
	}
	t.headGrad = t.grad.head
	if m.cfg.TieWordEmbeddings {
		t.headGrad = make([]float32, len(t.grad.head))
	}
	at := live.ops.places(m.cfg)
	for _, s := range m.specs {
		t.places = append(t.places, at[s.name])
	}
	t.pool, t.tasks = newPagePool(m.cfg, 0), t.gradientTasks()
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

// Coefficient returns the number of the objective that SetCoefficient kept; ok is
// false if there is none.
func (t *Trainer) Coefficient() (c float32, ok bool) {
	if t.coefficient == nil {
		return 0, false
	}
	return *t.coefficient, true
}

// SetCoefficient keeps a number that the objective of the next step depends on, as
// part of the state: finite and not negative, else LoadTrainer refuses what SaveState
// writes.
func (t *Trainer) SetCoefficient(c float32) { t.coefficient = &c }

// DropCoefficient forgets it.
func (t *Trainer) DropCoefficient() { t.coefficient = nil }

// Accumulate adds the gradient of a loss over seqs to the trainer's gradient.
// For each sequence, in order and on the caller's goroutine, it calls grad with
// the log-probabilities of the completion's tokens; grad returns the derivative
// of the loss by each of them (the same length; it may reuse logp's memory).
//
// On an error (an *InputError for a malformed sequence, logits or derivatives
// that are not finite; or the context's error) the gradient accumulated so far is
// dropped, and the weights stay as they were.
func (t *Trainer) Accumulate(ctx context.Context, seqs []TrainSequence, grad func(i int, logp []float32) (dlogp []float32)) error {
	total := 0
	for i := range seqs {
		if err := t.checkSequence(&seqs[i]); err != nil {
			t.dropGradient()
			return &InputError{i, err.Error()}
		}
		total += seqs[i].inputs()
	}
	// Where there is little to do, each thread gets its share.
	rows := min(lotRows, (total+t.threads-1)/t.threads)
	for from := 0; from < len(seqs); {
		n, to := t.deal(seqs, from, rows)
		if err := t.accumulate(ctx, t.tapes[:n], from, grad); err != nil {
			t.dropGradient()
			return err
		}
		from = to
	}
	return nil
}

// deal gives each tape a lot of about so many rows, from sequence from on. It
// returns the number of tapes that got one, and the first sequence that is left.
func (t *Trainer) deal(seqs []TrainSequence, from, rows int) (n, next int) {
	for ; n < t.threads && from < len(seqs); n++ {
		if n == len(t.tapes) {
			t.tapes = append(t.tapes, newTape(t.live, t.master, t.kernel))
		}
		to, left := from+1, rows-seqs[from].inputs()
		for to < len(seqs) && seqs[to].inputs() <= left {
			left -= seqs[to].inputs()
			to++
		}
		t.tapes[n].seqs = seqs[from:to]
		from = to
	}
	return n, from
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

// accumulate handles the lots of the tapes, of which from is the first sequence:
// forward passes side by side, then grad in order, then backward passes side by
// side, then the weights' gradients, split by output and each summed in the order
// of the rows.
func (t *Trainer) accumulate(ctx context.Context, tapes []*tape, from int, grad func(int, []float32) []float32) error {
	if err := parallel(ctx, t.threads, len(tapes), func(_, i int) { tapes[i].forward(t.pool) }); err != nil {
		return err
	}
	for _, tp := range tapes {
		if err := tp.ask(from, grad); err != nil {
			return err
		}
		from += len(tp.seqs)
	}
	if err := parallel(ctx, t.threads, len(tapes), func(_, i int) { tapes[i].backward(t.master) }); err != nil {
		return err
	}
	return parallel(ctx, t.threads, len(t.tasks), func(_, i int) {
		for _, tp := range tapes {
			t.tasks[i](tp)
		}
	})
}

// ask fills dlogp with the caller's derivatives; from is the lot's first sequence.
func (tp *tape) ask(from int, grad func(int, []float32) []float32) error {
	tp.dlogp = tp.dlogp[:0]
	for i := range tp.seqs {
		if i == tp.invalid {
			return &InputError{from + i, "logits are not finite"}
		}
		at, n := len(tp.dlogp), len(tp.seqs[i].Tokens)-tp.seqs[i].Prompt
		d := grad(from+i, append([]float32(nil), tp.logp[at:at+n]...))
		if len(d) != n {
			return &InputError{from + i, fmt.Sprintf("%d derivatives for %d tokens", len(d), n)}
		}
		if !tp.p.k.Finite(d) {
			return &InputError{from + i, "a derivative is not finite"}
		}
		tp.dlogp = append(tp.dlogp, d...)
	}
	return nil
}

// GradientDigest is the SHA-256 of the accumulated gradient: its elements as
// little-endian binary32, tensors in the order of their names, then what the output
// matrix adds where it is tied to the embedding. Nobody has it without the passes
// that make it, forward and backward.
func (t *Trainer) GradientDigest() (out [sha256.Size]byte) {
	h := sha256.New()
	parts := [][]float32{t.grad.flat}
	if t.live.cfg.TieWordEmbeddings {
		parts = append(parts, t.headGrad)
	}
	var piece [4 << 10]byte
	for _, part := range parts {
		for at := 0; at < len(part); {
			n := 0
			for ; n < len(piece) && at < len(part); n, at = n+4, at+1 {
				binary.LittleEndian.PutUint32(piece[n:], math.Float32bits(part[at]))
			}
			h.Write(piece[:n])
		}
	}
	h.Sum(out[:0])
	return out
}

func (t *Trainer) dropGradient() {
	clear(t.grad.flat)
	clear(t.headGrad)
}
