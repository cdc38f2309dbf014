package engine

import (
	"context"
	"fmt"

	"github.com/galahad-network/galahad/rl/kernel"
)

// AdamW holds the settings of one optimizer step (Loshchilov and Hutter,
// "Decoupled Weight Decay Regularization", 2019).
type AdamW struct {
	LR, Beta1, Beta2, Eps float32
	// WeightDecay applies to matrices only, not to norms and biases.
	WeightDecay float32
	// Clip bounds the global norm of the gradient; 0 means no bound.
	Clip float32
}

// Step clips the accumulated gradient, takes one AdamW step, and zeroes the
// gradient. It returns the gradient's norm before clipping. If the settings are
// out of range or the result would not be finite, it returns an error, drops the
// gradient, and weights and moments stay as they were.
func (t *Trainer) Step(h AdamW) (gradNorm float32, err error) {
	defer t.dropGradient()
	if err := h.validate(); err != nil {
		return 0, err
	}
	if t.live.cfg.TieWordEmbeddings {
		t.kernel.Add(t.grad.embed, t.grad.embed, t.headGrad)
	}
	gradNorm = t.gradientNorm()
	if !kernel.IsFinite(gradNorm) {
		return gradNorm, fmt.Errorf("engine: gradient norm %v is not finite", gradNorm)
	}
	step := kernel.AdamWStep{Scale: 1, Beta1: h.Beta1, Beta2: h.Beta2, Rest1: 1 - h.Beta1, Rest2: 1 - h.Beta2, LR: h.LR, Eps: h.Eps}
	if h.Clip > 0 && gradNorm > h.Clip {
		step.Scale = h.Clip / gradNorm
	}
	power1, power2 := float32(t.power1*h.Beta1), float32(t.power2*h.Beta2)
	step.Correction1, step.Correction2 = 1-power1, 1-power2
	if err := t.update(&step, float32(h.LR*h.WeightDecay)); err != nil {
		return gradNorm, err
	}
	t.power1, t.power2 = power1, power2
	t.steps++
	t.repack()
	return gradNorm, nil
}

// gradientNorm is the root of the sum of squares, tensors in the order of their names.
func (t *Trainer) gradientNorm() float32 {
	squares := make([]float32, len(t.live.specs))
	t.share(len(squares), func(_, i int) {
		s := t.live.specs[i]
		g := t.grad.flat[s.offset : s.offset+s.size]
		squares[i] = t.kernel.Dot(g, g)
	})
	var total float32
	for _, x := range squares {
		total += x
	}
	return kernel.Sqrt(total)
}

// share splits work that cannot be cancelled: half a step must not be taken.
func (t *Trainer) share(n int, task func(worker, i int)) {
	_ = parallel(context.Background(), t.threads, n, task) // only a context ends it early
}

func (h AdamW) validate() error {
	unit := func(x float32) bool { return x >= 0 && x < 1 }
	if !(h.LR >= 0) || !kernel.IsFinite(h.LR) || !unit(h.Beta1) || !unit(h.Beta2) || !(h.Eps > 0) || !kernel.IsFinite(h.Eps) ||
		!(h.WeightDecay >= 0) || !kernel.IsFinite(h.WeightDecay) || !(h.Clip >= 0) {
		return fmt.Errorf("engine: optimizer settings out of range: %+v", h)
	}
	return nil
}

// stepPiece is how many elements are updated at a time.
const stepPiece = 1 << 14

// piece is a part of a tensor, elements lo..hi-1 of the flat slices.
type piece struct {
	spec   tensorSpec
	lo, hi int
}

// update runs AdamW twice: first piece by piece on copies, to see that all of the
// result is finite, and then in place. Copies of whole tensors would take more
// memory than the second run takes time.
func (t *Trainer) update(step *kernel.AdamWStep, decay float32) error {
	var pieces []piece
	for _, s := range t.live.specs {
		for lo := s.offset; lo < s.offset+s.size; lo += stepPiece {
			pieces = append(pieces, piece{s, lo, min(lo+stepPiece, s.offset+s.size)})
		}
	}
	apply := func(p piece, w, m, v []float32) bool {
		h := *step
		if len(p.spec.shape) > 1 {
			h.Decay = decay
		}
		return t.kernel.AdamW(w, m, v, t.grad.flat[p.lo:p.hi], &h)
	}
	scratch := make([][3 * stepPiece]float32, min(t.threads, len(pieces)))
	errs := make([]error, len(pieces))
	t.share(len(pieces), func(worker, i int) {
		p, s := pieces[i], &scratch[worker]
		n := p.hi - p.lo
		w, m, v := s[:n], s[stepPiece:stepPiece+n], s[2*stepPiece:2*stepPiece+n]
		copy(w, t.master.flat[p.lo:])
		copy(m, t.moment1.flat[p.lo:])
		copy(v, t.moment2.flat[p.lo:])
		if !apply(p, w, m, v) {
			errs[i] = p.notFinite(w, m, v)
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	t.share(len(pieces), func(_, i int) {
		p := pieces[i]
		apply(p, t.master.flat[p.lo:p.hi], t.moment1.flat[p.lo:p.hi], t.moment2.flat[p.lo:p.hi])
	})
	return nil
}

// notFinite is the error for the first element of which something is not finite.
func (p piece) notFinite(w, m, v []float32) error {
	i := 0
	for kernel.IsFinite(w[i]) && kernel.IsFinite(m[i]) && kernel.IsFinite(v[i]) {
		i++
	}
	return fmt.Errorf("engine: tensor %q: element %d is not finite after the step", p.spec.name, p.lo+i-p.spec.offset)
}

// repack brings the masters to where the forward pass reads them.
func (t *Trainer) repack() {
	t.share(len(t.places), func(_, i int) {
		s := t.live.specs[i]
		t.places[i].set(0, t.master.flat[s.offset:s.offset+s.size])
	})
}
