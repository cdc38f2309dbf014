package yuma

import (
	"cmp"
	"slices"
)

// vote is a weight and the stake behind it.
type vote struct{ weight, stake Fixed }

// medians are the consensus of each column: the stake-weighted median of its weights,
// which is the largest weight that at least kappa of the stake supports. Rows without
// stake have no vote; a weight that is absent is 0.
func medians(weights matrix, stake []Fixed, columns int, kappa Fixed) []Fixed {
	stake = slices.Clone(stake)
	normalize(stake)
	votes := make([][]vote, columns)
	for i, row := range weights {
		if stake[i] > 0 {
			for _, c := range row {
				votes[c.to] = append(votes[c.to], vote{c.v, stake[i]})
			}
		}
	}
	total := sum(stake)
	out := make([]Fixed, columns)
	for j, v := range votes {
		out[j] = median(v, total, total-kappa)
	}
	return out
}

// median is the smallest weight such that more than minority of the stake is on
// weights up to it, the largest weight if there is none. The votes may leave out those
// of weight 0: what they lack to total is on 0. It reorders votes.
func median(votes []vote, total, minority Fixed) Fixed {
	var cast Fixed
	for _, v := range votes {
		cast += v.stake
	}
	below := total - cast
	if below > 0 && below > minority || len(votes) == 0 {
		return 0
	}
	slices.SortFunc(votes, func(a, b vote) int { return cmp.Compare(a.weight, b.weight) })
	for _, v := range votes {
		if below += v.stake; below > minority {
			return v.weight
		}
	}
	return votes[len(votes)-1].weight
}

// clip cuts each weight down to the consensus. A weight cut down to 0 is gone, one that
// was given as 0 stays.
func clip(weights matrix, consensus []Fixed) matrix {
	out := make(matrix, len(weights))
	for i, row := range weights {
		for _, c := range row {
			if v := min(c.v, consensus[c.to]); v > 0 || c.v == 0 {
				out[i] = append(out[i], cell{c.to, v})
			}
		}
	}
	return out
}
