package yuma

import "slices"

// vote is a weight and the stake behind it.
type vote struct{ weight, stake Fixed }

// medians are the consensus of each column: the stake-weighted median of its weights,
// which is the largest weight that at least kappa of the stake supports. Rows without
// stake have no vote; a weight that is absent is 0.
func medians(weights matrix, stake []Fixed, columns int, kappa Fixed) []Fixed {
	stake = slices.Clone(stake)
	normalize(stake)
	size := make([]int, columns)
	weights.each(func(_ int, c cell) { size[c.to]++ })
	votes := make([][]vote, columns)
	for j := range votes {
		votes[j] = make([]vote, 0, size[j])
	}
	weights.each(func(i int, c cell) {
		if stake[i] > 0 && c.v > 0 {
			votes[c.to] = append(votes[c.to], vote{c.v, stake[i]})
		}
	})
	total := sum(stake)
	out := make([]Fixed, columns)
	for j, v := range votes {
		out[j] = median(v, total, total-kappa)
	}
	return out
}

// median is the smallest weight such that more than minority of the stake is on
// weights up to it, the largest weight if there is none. The votes may leave out those
// of weight 0: what they lack to total is on 0. It reorders votes. Each round halves
// the range of weights, so whatever the votes are there are at most 33.
func median(votes []vote, total, minority Fixed) Fixed {
	below := total // the stake on weights below those still in votes
	for _, v := range votes {
		below -= v.stake
	}
	if below > 0 && below > minority || len(votes) == 0 {
		return 0
	}
	for {
		low, high := votes[0].weight, votes[0].weight
		for _, v := range votes {
			low, high = min(low, v.weight), max(high, v.weight)
		}
		if low == high {
			return low
		}
		middle, k, stake := low+(high-low)/2, 0, Fixed(0)
		for i, v := range votes { // those up to the middle go to the front
			if v.weight <= middle {
				votes[i], votes[k] = votes[k], v
				stake += v.stake
				k++
			}
		}
		if below+stake > minority {
			votes = votes[:k]
		} else {
			votes, below = votes[k:], below+stake
		}
	}
}

// clip cuts each weight down to the consensus. A weight cut down to 0 is gone, one that
// was given as 0 stays.
func clip(weights matrix, consensus []Fixed) matrix {
	out := make(matrix, len(weights))
	for i, row := range weights {
		out[i] = make([]cell, 0, len(row))
		for _, c := range row {
			if v := min(c.v, consensus[c.to]); v > 0 || c.v == 0 {
				out[i] = append(out[i], cell{c.to, v})
			}
		}
	}
	return out
}
