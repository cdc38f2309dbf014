package grpo

import "github.com/galahad-network/galahad/rl/engine"

// maxLogRatio bounds |logp - logp_behaviour| before the exponential: e^20 is far beyond any clip bound and far from
// overflow. Beyond it the ratio is constant, so its gradient is zero.
const maxLogRatio = float32(20)

// TokenLoss is the clipped objective of one token, not yet divided by the number of tokens: the loss
// -min(rho*A, clip(rho, low, high)*A), its derivative by logp, and whether clipping (or the clamp of the ratio) cut
// the gradient off. logp is the log-probability under the weights being trained, behaviour the recorded one, advantage
// the rollout's A. The results are finite for every finite advantage; a log-ratio that is NaN gives (0, 0, true).
func TokenLoss(logp, behaviour, advantage, low, high float32) (loss, dlogp float32, clipped bool) {
	d := logp - behaviour
	if d != d {
		return 0, 0, true
	}
	bounded := min(max(d, -maxLogRatio), maxLogRatio)
	ratio := engine.Exp(bounded)
	free := ratio * advantage
	bound := min(max(ratio, low), high) * advantage
	if bound < free {
		return -bound, 0, true
	}
	if bounded != d {
		return -free, 0, true
	}
	return -free, -free, false
}
