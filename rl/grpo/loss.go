package grpo

import "github.com/galahad-network/galahad/rl/engine"

// maxLogRatio bounds |logp - logp_behaviour| before the exponential: e^20 is far beyond any clip bound and far from
// overflow. Beyond it the ratio is constant, so its gradient is zero.
const maxLogRatio = float32(20)

// Loss names the objective of a token. The numbers are those of the chain's enum.
type Loss uint32

// The objectives. rho is the ratio of the token's probabilities under the weights that are trained and under those that
// sampled it, A the rollout's advantage, and [low, high] the clip bounds.
const (
	// Clip is -min(rho*A, clip(rho, low, high)*A) (Schulman et al. 2017, PPO). With a higher bound above than below it is
	// DAPO's clip-higher (Yu et al. 2025).
	Clip Loss = 1
	// TwoSided is Clip, where a negative advantage counts with no ratio above delta, so that one unlikely token cannot
	// outweigh the rest (INTELLECT-2, 2025).
	TwoSided Loss = 2
	// Clamp weighs A*log p by min(rho, high), a constant: no token's gradient is ever cut off (CISPO; MiniMax 2025).
	Clamp Loss = 3
	// Masked is -rho*A where low <= rho <= high, and nothing elsewhere (masked importance sampling, prime-rl).
	Masked Loss = 4
	// Divergence is -rho*A, but nothing where the token's probability has moved with A's sign by more than delta; plus KL,
	// which is part of this method, as prime-rl's DPPO has it.
	Divergence Loss = 5
	// DivergenceBoth is Divergence that masks a move by more than delta to either side, as its IPO.
	DivergenceBoth Loss = 6
	// Sequence is Clip with one ratio a rollout, the geometric mean of its tokens' (Zheng et al. 2025, GSPO).
	Sequence Loss = 7
)

var lossNames = []string{"", "clip", "two_sided", "clamp", "masked", "divergence", "divergence_both", "sequence"}

// String names the objective as the command line does.
func (l Loss) String() string { return name(lossNames, uint32(l)) }

// Token is what the objective says of one token, not yet divided by anything.
type Token struct {
	Loss  float32
	DLogP float32 // derivative by logp
	Cut   bool    // clipping, a mask or the clamp of the ratio took the gradient away
}

// Bounds are the numbers of an objective.
type Bounds struct {
	Low, High float32 // of the ratio
	Delta     float32 // TwoSided: of the ratio; Divergence: of the difference of probabilities
}

// Token evaluates the objective. logp is the log-probability under the weights being trained, behaviour that under the
// weights which sampled the token, advantage the rollout's A. The results are finite for every finite advantage; a
// log-ratio that is NaN gives a token that is cut off. Sequence is Clip of what it is given; see Rollout.
func (l Loss) Token(logp, behaviour, advantage float32, b Bounds) Token {
	d := logp - behaviour
	if d != d {
		return Token{Cut: true}
	}
	return l.at(d, logp, behaviour, advantage, b)
}

// at is Token for a log-ratio d.
func (l Loss) at(d, logp, behaviour, advantage float32, b Bounds) Token {
	bounded := min(max(d, -maxLogRatio), maxLogRatio)
	ratio := engine.Exp(bounded)
	switch l {
	case Clamp:
		weight := min(ratio, b.High) * advantage
		return Token{Loss: -float32(weight * min(max(logp, -maxLog), 0)), DLogP: -weight}
	case Masked:
		if ratio < b.Low || ratio > b.High {
			return Token{Cut: true}
		}
	case Divergence, DivergenceBoth:
		moved := engine.Exp(atMostOne(logp)) - engine.Exp(atMostOne(behaviour))
		away := moved > b.Delta && (advantage > 0 || l == DivergenceBoth) || -moved > b.Delta && (advantage < 0 || l == DivergenceBoth)
		if away {
			return Token{Cut: true}
		}
	default:
		return clipped(ratio, advantage, b, l == TwoSided, bounded != d)
	}
	free := ratio * advantage
	if bounded != d {
		return Token{Loss: -free, Cut: true}
	}
	return Token{Loss: -free, DLogP: -free}
}

// maxLog bounds a log-probability where its value enters a loss.
const maxLog = float32(1e4)

// atMostOne makes a log-probability one whose exponential the engine takes.
func atMostOne(logp float32) float32 { return min(max(logp, -87), 0) }

func clipped(ratio, advantage float32, b Bounds, twoSided, beyond bool) Token {
	outer := ratio
	if twoSided {
		outer = min(ratio, b.Delta)
	}
	free, bound := outer*advantage, min(max(ratio, b.Low), b.High)*advantage
	switch {
	case bound < free:
		return Token{Loss: -bound, Cut: true}
	case beyond || outer != ratio:
		return Token{Loss: -free, Cut: true}
	}
	return Token{Loss: -free, DLogP: -free}
}

// Rollout evaluates the objective for all tokens of one rollout.
func (l Loss) Rollout(logp, behaviour []float32, advantage float32, b Bounds) []Token {
	out := make([]Token, len(logp))
	if l != Sequence {
		for t := range logp {
			out[t] = l.Token(logp[t], behaviour[t], advantage, b)
		}
		return out
	}
	var sum float32
	for t := range logp {
		sum += min(max(logp[t]-behaviour[t], -maxLogRatio), maxLogRatio)
	}
	whole := Token{Cut: true} // where a ratio is NaN
	if sum == sum {
		whole = Clip.at(sum/float32(len(logp)), 0, 0, advantage, b)
	}
	// The ratio's derivative by each token's logp is one n-th of it: what BySequences divides by.
	for t := range out {
		out[t] = whole
	}
	return out
}

// KL names an estimator of the divergence between the weights being trained and those that sampled (J. Schulman,
// "Approximating KL divergence", 2020); x = logp - behaviour. The numbers are those of the chain's enum.
type KL uint32

// The estimators.
const (
	NoKL KL = 1
	K1   KL = 2 // x: unbiased, of much variance
	K2   KL = 3 // x*x/2: of little variance
	K3   KL = 4 // exp(-x) - 1 + x: unbiased and never negative
)

var klNames = []string{"", "none", "k1", "k2", "k3"}

// String names the estimator as the command line does.
func (k KL) String() string { return name(klNames, uint32(k)) }

// Token returns the estimate at a token and its derivative by logp; both are finite, 0 for what is NaN.
func (k KL) Token(logp, behaviour float32) (value, dlogp float32) {
	x := logp - behaviour
	if x != x {
		return 0, 0
	}
	x = min(max(x, -maxLogRatio), maxLogRatio)
	switch k {
	case K1:
		return x, 1
	case K2:
		return float32(x*x) / 2, x
	case K3:
		e := engine.Exp(-x)
		return e - 1 + x, 1 - e
	}
	return 0, 0
}

// Normalization names what a step's sum over tokens is divided by. The numbers are those of the chain's enum.
type Normalization uint32

// The divisors.
const (
	// ByTokens divides by the tokens kept: every token weighs alike (DAPO).
	ByTokens Normalization = 1
	// BySequences divides each rollout's sum by its length, and all by the rollouts kept: every rollout weighs alike
	// (GRPO as published; GSPO).
	BySequences Normalization = 2
	// ByConstant divides by the rollouts kept times a constant length, so that no length is favoured (Dr. GRPO).
	ByConstant Normalization = 3
)

var normalizationNames = []string{"", "tokens", "sequences", "constant"}

// String names the divisor as the command line does.
func (n Normalization) String() string { return name(normalizationNames, uint32(n)) }
