package engine

import (
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
		kern.Add(t.grad.embed, t.grad.embed, t.headGrad)
	}
	var squares float32
	for _, s := range t.live.specs {
		g := t.grad.flat[s.offset : s.offset+s.size]
		squares += kern.Dot(g, g)
	}
	gradNorm = kernel.Sqrt(squares)
	if !kernel.IsFinite(gradNorm) {
		return gradNorm, fmt.Errorf("engine: gradient norm %v is not finite", gradNorm)
	}
	scale := float32(1)
	if h.Clip > 0 && gradNorm > h.Clip {
		scale = h.Clip / gradNorm
	}
	power1, power2 := float32(t.power1*h.Beta1), float32(t.power2*h.Beta2)
	if err := t.adamW(h, scale, 1-power1, 1-power2); err != nil {
		return gradNorm, err
	}
	t.power1, t.power2 = power1, power2
	t.steps++
	t.live.ops.pack(t.live.cfg, t.live.specs, t.master)
	return gradNorm, nil
}

func (h AdamW) validate() error {
	unit := func(x float32) bool { return x >= 0 && x < 1 }
	if !(h.LR >= 0) || !kernel.IsFinite(h.LR) || !unit(h.Beta1) || !unit(h.Beta2) || !(h.Eps > 0) || !kernel.IsFinite(h.Eps) ||
		!(h.WeightDecay >= 0) || !kernel.IsFinite(h.WeightDecay) || !(h.Clip >= 0) {
		return fmt.Errorf("engine: optimizer settings out of range: %+v", h)
	}
	return nil
}

// adamW updates weights and moments; correction1 and correction2 are one minus
// the powers of beta. It works on copies and commits only a finite result.
func (t *Trainer) adamW(h AdamW, scale, correction1, correction2 float32) error {
	c, specs := t.live.cfg, t.live.specs
	w, m, v := newWeights(c, specs), newWeights(c, specs), newWeights(c, specs)
	rest1, rest2 := 1-h.Beta1, 1-h.Beta2
	for _, s := range specs {
		decay := float32(0)
		if len(s.shape) > 1 {
			decay = float32(h.LR * h.WeightDecay)
		}
		for i := s.offset; i < s.offset+s.size; i++ {
			g := float32(t.grad.flat[i] * scale)
			m.flat[i] = kernel.FMA(h.Beta1, t.moment1.flat[i], float32(rest1*g))
			v.flat[i] = kernel.FMA(h.Beta2, t.moment2.flat[i], float32(float32(rest2*g)*g))
			update := (m.flat[i] / correction1) / (kernel.Sqrt(v.flat[i]/correction2) + h.Eps)
			x := t.master.flat[i]
			x -= float32(decay * x)
			x -= float32(h.LR * update)
			if !kernel.IsFinite(x) || !kernel.IsFinite(m.flat[i]) || !kernel.IsFinite(v.flat[i]) {
				return fmt.Errorf("engine: tensor %q: element %d is not finite after the step", s.name, i-s.offset)
			}
			w.flat[i] = x
		}
	}
	copy(t.master.flat, w.flat)
	copy(t.moment1.flat, m.flat)
	copy(t.moment2.flat, v.flat)
	return nil
}
