package yuma

// bondWeights are the weights that buy bonds: given moved by the penalty towards
// clipped, given + penalty*(clipped-given). Cells of 0 live on at a penalty of exactly
// 0 or 1 only, as they matter to Compat.
func bondWeights(given, clipped matrix, penalty Fixed) matrix {
	switch penalty {
	case 0:
		return given
	case One:
		return clipped
	}
	out := make(matrix, len(given))
	for i := range given {
		out[i] = merge(given[i], clipped[i], func(_ uint16, w, c Fixed, _ bool) Fixed {
			return w + penalty.Mul(c-w)
		})
	}
	return out
}

// raise is the other side of clip, for bonds alone: in each row that gives a weight at
// all, one that is more than slack below the consensus is raised to that bound.
func raise(weights matrix, consensus []Fixed, slack Fixed) matrix {
	floor := make([]cell, 0, len(consensus))
	for j, c := range consensus {
		if c > slack {
			floor = append(floor, cell{uint16(j), c - slack})
		}
	}
	out := make(matrix, len(weights))
	for i, row := range weights {
		if rowSum(row) == 0 {
			out[i] = row
			continue
		}
		out[i] = merge(row, floor, func(_ uint16, w, f Fixed, _ bool) Fixed { return max(w, f) })
	}
	return out
}

// average moves bonds towards target at the rate alpha: alpha*target + (1-alpha)*bond,
// over the cells of both.
func average(target, bonds []cell, alpha Fixed) []cell {
	return merge(target, bonds, func(_ uint16, w, b Fixed, _ bool) Fixed {
		return alpha.Mul(w) + (One - alpha).Mul(b)
	})
}
