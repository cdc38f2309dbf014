package grpo

import (
	"fmt"
	"math"
)

// millionth is the unit of rewards on the wire and on chain: a reward of 1 is 1,000,000.
const millionth = float32(1_000_000)

// Advantage names how a group's rewards become advantages. The numbers are those of the chain's enum.
type Advantage uint32

// The estimators. r are the rewards of a group, mean and std over it.
const (
	// GroupStd is (r - mean) / (std + eps), std the population's (Shao et al. 2024, DeepSeekMath: GRPO).
	GroupStd Advantage = 1
	// SampleStd is GroupStd with the standard deviation of a sample, n - 1 in its divisor, as INTELLECT-2 has it.
	SampleStd Advantage = 2
	// GroupMean is r - mean: without the division hard and easy problems weigh alike (Liu et al. 2025, Dr. GRPO).
	GroupMean Advantage = 3
	// LeaveOneOut is r less the mean of the others (Ahmadian et al. 2024, RLOO).
	LeaveOneOut Advantage = 4
	// Rank is the rank of r in the group, equal rewards sharing the mean of their ranks, scaled to [-1, 1].
	Rank Advantage = 5
	// MaxRL is (r - mean) / mean: the mean of the score functions of what succeeded (arXiv 2602.02710).
	MaxRL Advantage = 6
)

var advantageNames = []string{"", "group_std", "sample_std", "group_mean", "leave_one_out", "rank", "max_rl"}

// String names the estimator as the command line does.
func (a Advantage) String() string { return name(advantageNames, uint32(a)) }

func name(names []string, i uint32) string {
	if i > 0 && i < uint32(len(names)) {
		return names[i]
	}
	return fmt.Sprintf("unknown_%d", i)
}

func known(names []string, i uint32) bool { return i > 0 && i < uint32(len(names)) }

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

// Advantages returns the advantage of each of a group's rewards, given in millionths. Sums run over the group in order in
// binary32. A group of zero variance gives exact zeros, and so does one whose mean is 0 under MaxRL.
func (a Advantage) Advantages(rewards []uint32, eps float32) []float32 {
	if ZeroVariance(rewards) {
		return make([]float32, len(rewards))
	}
	return a.of(inUnits(rewards), eps)
}

func inUnits(rewards []uint32) []float32 {
	out := make([]float32, len(rewards))
	for i, r := range rewards {
		out[i] = float32(r) / millionth
	}
	return out
}

// of is Advantages of rewards in units, at least two, which it overwrites.
func (a Advantage) of(r []float32, eps float32) []float32 {
	if a == Rank {
		return ranks(r)
	}
	n := float32(len(r))
	mean := centre(r)
	switch a {
	case GroupStd:
		divide(r, deviation(r, n)+eps)
	case SampleStd:
		divide(r, deviation(r, n-1)+eps)
	case LeaveOneOut: // r - (sum - r)/(n - 1)
		for i := range r {
			r[i] *= n / (n - 1)
		}
	case MaxRL:
		if mean <= 0 {
			return make([]float32, len(r))
		}
		divide(r, mean)
	}
	return r
}

// centre subtracts the mean, and returns it.
func centre(r []float32) (mean float32) {
	var sum float32
	for _, x := range r {
		sum += x
	}
	mean = sum / float32(len(r))
	for i := range r {
		r[i] -= mean
	}
	return mean
}

// deviation is the root of the sum of squares over a divisor.
func deviation(centred []float32, divisor float32) float32 {
	var squares float32
	for _, x := range centred {
		// The conversion keeps the compiler from fusing product and sum, which some architectures would do.
		squares += float32(x * x)
	}
	// The square root of a binary32 taken in binary64 and rounded is the correctly rounded binary32 root.
	return float32(math.Sqrt(float64(squares / divisor)))
}

func divide(r []float32, by float32) {
	for i := range r {
		r[i] /= by
	}
}

// ranks counts, for each, those below and half of those equal. Its doubles are whole numbers, so it is exact until the
// last division.
func ranks(r []float32) []float32 {
	out := make([]float32, len(r))
	for i, x := range r {
		twice := 0 // of the rank from 0, less the mean rank
		for j, y := range r {
			switch {
			case j == i:
			case y < x:
				twice++
			case y > x:
				twice--
			}
		}
		out[i] = float32(twice) / float32(len(r)-1)
	}
	return out
}

// ShapeByLength subtracts from each reward coefficient * mean reward * length / longest, in units: of two right answers
// the shorter one is worth more, the more so the more often the problem is solved (arXiv 2506.05256). It overwrites r.
func ShapeByLength(r []float32, lengths []int, coefficient float32) {
	longest := 0
	var sum float32
	for i, n := range lengths {
		longest = max(longest, n)
		sum += r[i]
	}
	if longest == 0 {
		return
	}
	weight := coefficient * (sum / float32(len(r)))
	for i, n := range lengths {
		r[i] -= float32(weight * (float32(n) / float32(longest)))
	}
}
