package verify

import "fmt"

// ProofKind is what the rollouts of a tolerant run carry.
type ProofKind uint32

// Kinds of proofs; package proof makes and compares them. The numbers are those of the
// chain's enum, whose 0 is no kind.
const (
	NoProof ProofKind = 1
	Sketch  ProofKind = 2
	TOPLOC  ProofKind = 3
)

// String names the kind.
func (k ProofKind) String() string {
	switch k {
	case NoProof:
		return "none"
	case Sketch:
		return "sketch"
	case TOPLOC:
		return "toploc"
	}
	return fmt.Sprintf("proof_%d", uint32(k))
}

// Bytes is the length of the proof of a completion of so many tokens: 4 bytes a token
// for a sketch, 258 for each 32 tokens, or part of them, for TOPLOC.
func (k ProofKind) Bytes(tokens int) int {
	switch k {
	case Sketch:
		return 4 * tokens
	case TOPLOC:
		return 258 * ((tokens + 31) / 32)
	}
	return 0
}

// Tolerance is how far a rollout of a tolerant run may be from what the grader's exact
// engine computes; checks 8 to 12 of package replay. Calibration finds the values.
type Tolerance struct {
	Proof ProofKind
	// A token passes check 8 if the odds of its part's bounds in the grader's
	// distribution, times 1 + SampleEps, reach the odds of the stream's number. Of the
	// positions at which the likeliest token has less than 0.99, at least SampleFloor
	// must pass, or all but one where they are few. No position may be further off than
	// SampleHard, and no token less likely than MinProbability.
	SampleEps, SampleFloor, SampleHard uint32 // millionths
	MinProbability                     uint32 // billionths
	// LogProb bounds the median of exp(|difference|) - 1 over the drawn positions, and
	// LogProbHard each of all positions: where a model is sure of most tokens, a median
	// alone lets zeros pass.
	LogProb, LogProbHard uint32 // millionths
	// EndFloor: an end token of less probability counts only if it passes by SampleEps.
	EndFloor uint32 // millionths
	// SketchMax bounds the mean absolute difference of the sketches.
	SketchMax uint32 // thousandths
	// TOPLOC's thresholds, for each chunk.
	Exponents      uint32
	MantissaMean   uint32 // thousandths
	MantissaMedian uint32 // thousandths
	// SurpriseMax bounds the evidence that the tokens' surprise in sum is not what the
	// grader's distributions expect: honest work exceeds x nats with probability exp(-x).
	SurpriseMax uint32 // thousandths of a nat
}
