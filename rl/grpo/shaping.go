package grpo

import "math"

// What follows shapes the rewards of an environment or of self-play; no recipe on chain has it. It is for those who try
// rules with package simulate, or write an environment.

// LengthExact is INTELLECT-2's reward (2025) for a completion of a wanted length: the task's less alpha for each token of
// difference.
func LengthExact(task, alpha float64, target, length int) float64 {
	return task - float64(alpha*math.Abs(float64(target-length)))
}

// LengthMax is its reward for a completion of at most a wanted length: the task's times delta, and alpha more for each
// token saved or less for each too many, within [0, 1].
func LengthMax(task, alpha, delta float64, target, length int) float64 {
	return task * min(max(float64(alpha*float64(target-length))+delta, 0), 1)
}

// LengthClip gives nothing for a completion above the wanted length.
func LengthClip(task float64, target, length int) float64 {
	if length > target {
		return 0
	}
	return task
}

// Baseline is the running mean of one role's rewards, against which the next is measured: role-conditioned advantage
// estimation, for games of a model with itself (Liu et al. 2025, SPIRAL).
type Baseline struct {
	Decay float64 // of what came before, within [0, 1)
	Value float64
}

// Advantage measures a reward against the baseline and then takes it in.
func (b *Baseline) Advantage(reward float64) float64 {
	a := reward - b.Value
	b.Value = float64(b.Decay*b.Value) + float64((1-b.Decay)*reward)
	return a
}
