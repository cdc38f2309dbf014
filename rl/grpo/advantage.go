package grpo

import "math"

// millionth is the unit of rewards on the wire and on chain: a reward of 1 is 1,000,000.
const millionth = float32(1_000_000)

// ZeroVariance reports whether all rewards of a group are equal. Such a group has no advantage to learn from; the
// comparison is of integers, so it is exact. An empty group is of zero variance.
func ZeroVariance(rewards []uint32) bool {
	for _, r := range rewards {
		if r != rewards[0] {
			return false
		}
	}
	return true
}

// Advantages returns (r - mean) / (std + eps) for each of a group's rewards, given in millionths. The standard
// deviation is the population's. Sums run over the group in order in binary32. A group of zero variance gives exact
// zeros.
func Advantages(rewards []uint32, eps float32) []float32 {
	adv := make([]float32, len(rewards))
	if ZeroVariance(rewards) {
		return adv
	}
	n := float32(len(rewards))
	var sum float32
	for i, r := range rewards {
		adv[i] = float32(r) / millionth
		sum += adv[i]
	}
	mean := sum / n
	var squares float32
	for i := range adv {
		adv[i] -= mean
		// The conversion keeps the compiler from fusing product and sum, which some architectures would do.
		squares += float32(adv[i] * adv[i])
	}
	// The square root of a binary32 taken in binary64 and rounded is the correctly rounded binary32 root.
	std := float32(math.Sqrt(float64(squares / n)))
	for i := range adv {
		adv[i] /= std + eps
	}
	return adv
}
