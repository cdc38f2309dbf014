package yuma

// yuma3Bonds moves bonds that are numbers in [0, 1] of a row alone (Yuma3). Stake is not
// inside of a bond, it enters when dividends are paid: a row's share of each column's
// bonds and incentive, times its active stake.
func (g *game) yuma3Bonds(weights matrix, consensus, incentive []Fixed) (dividends []Fixed, bonds matrix) {
	bonds = make(matrix, len(g.bonds))
	liquid := g.liquid && sum(consensus) > 0
	for i := range bonds {
		switch {
		case liquid && g.permit[i]:
			bonds[i] = g.rates.average(weights[i], g.bonds[i], consensus, g.compat)
		case liquid && g.compat:
			// Without a permit there are no weights, hence no bonds.
		default:
			bonds[i] = average(weights[i], g.bonds[i], g.alpha)
		}
	}
	total := bonds.columnSums(g.columns)
	dividends = make([]Fixed, len(bonds))
	for i, row := range bonds {
		for _, c := range row {
			dividends[i] += c.v.Div(total[c.to]).Mul(incentive[c.to])
		}
		dividends[i] = dividends[i].Mul(g.active[i])
	}
	normalize(dividends)
	return dividends, bonds
}
