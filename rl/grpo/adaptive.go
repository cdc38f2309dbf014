package grpo

import "github.com/galahad-network/galahad/rl/engine"

// The range of an adaptive weight: it never becomes 0, from which no factor leads back, nor more than a fixed one may be.
const (
	minKLWeight = float32(1e-9)
	maxKLWeight = float32(1)
)

// klWeight is the weight of the divergence in the next step.
func (h Hyperparameters) klWeight(trainer *engine.Trainer) float32 {
	if c, ok := trainer.Coefficient(); ok && h.KLTarget > 0 {
		return c
	}
	return h.KLWeight
}

// adapt leaves in the trainer what the step after one of so many rollouts weighs the divergence with.
func (h Hyperparameters) adapt(trainer *engine.Trainer, kl float64, rollouts int) {
	if h.KLTarget > 0 {
		trainer.SetCoefficient(NextKLWeight(h.KLWeight, kl, rollouts, h.KLTarget, h.KLHorizon))
	} else {
		trainer.DropCoefficient()
	}
}

// NextKLWeight is the adaptive weight after a step of n rollouts, whose divergence was kl nats a token, a proportional
// controller (Ziegler et al. 2019, arXiv 1909.08593, section 2.2):
//
//	e = clip(kl/target - 1, -0.2, 0.2);  weight * (1 + e * min(n/horizon, 1))
//
// within [1e-9, 1]. Binary64 without fused products, rounded once to binary32. No kl is NaN, whatever else it is.
func NextKLWeight(weight float32, kl float64, n int, target, horizon float32) float32 {
	e := min(max(kl/float64(target)-1, -0.2), 0.2)
	factor := 1 + float64(e*min(float64(n)/float64(horizon), 1))
	return min(max(float32(float64(weight)*factor), minKLWeight), maxKLWeight)
}
