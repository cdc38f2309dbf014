package consensus

import "math/bits"

// MaxWeight is the weight of the best miner of a row.
const MaxWeight = 65535

// Score is what a window's work is worth: floor(groups^2/declared) for a miner that
// declared so many groups and committed and passed with so many. The square makes it
// cost to stop before a hard problem. No declaration, and more groups than declared,
// which the chain refuses to commit, score 0.
func Score(groups, declared uint32) uint64 {
	if declared == 0 || groups > declared {
		return 0
	}
	return uint64(groups) * uint64(groups) / uint64(declared)
}

// NormalizeWeights returns floor(score*65535/max) of each score, max being the largest
// of them; all zeros stay zeros.
func NormalizeWeights(scores []uint64) []uint32 {
	var top uint64
	for _, s := range scores {
		top = max(top, s)
	}
	weights := make([]uint32, len(scores))
	if top == 0 {
		return weights
	}
	for i, s := range scores {
		hi, lo := bits.Mul64(s, MaxWeight)
		w, _ := bits.Div64(hi, lo, top) // hi < top because s <= top
		weights[i] = uint32(w)
	}
	return weights
}
