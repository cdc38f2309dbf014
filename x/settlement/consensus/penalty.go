package consensus

import "github.com/galahad-network/galahad/rl/verify"

// HardPenalty reports whether a hard failure costs the bond that answers for the
// window, beside its pay. In an exact engine each does: wrong is never accepted and
// honest never rejected. In a tolerant one the checks of the model (8 to 12) can reject
// an honest rollout, at a rate that is known, so such a failure costs the bond only when
// it is the limit-th of the last windows: failures counts those, this one included.
// What needs no model is as certain there as anywhere.
func HardPenalty(tolerant bool, code verify.Code, failures, limit uint32) bool {
	switch {
	case !code.Hard():
		return false
	case !tolerant || !OfModel(code):
		return true
	}
	return failures >= limit
}

// OfModel reports whether a code is the failure of a check that runs the model.
func OfModel(code verify.Code) bool {
	return code >= verify.BadSample && code <= verify.BadDistribution
}
