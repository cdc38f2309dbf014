package yuma

// yuma2Bonds moves bonds that are shares of a column (Yuma2). Stake is inside of a bond:
// what a row buys of a column is its weight times its stake, as a share of what all
// rows buy; the dividend of a row is its share of each column's incentive. The bonds
// returned are scaled so that the largest of each column is 1.
func (g *game) yuma2Bonds(weights matrix, incentive []Fixed) (dividends []Fixed, bonds matrix) {
	old := g.bonds
	old.normalizeColumns(g.columns)
	bought := make(matrix, len(weights))
	for i, row := range weights {
		bought[i] = make([]cell, len(row))
		for k, c := range row {
			bought[i][k] = cell{c.to, c.v.Mul(g.active[i])}
		}
	}
	bought.normalizeColumns(g.columns)

	bonds = make(matrix, len(old))
	for i := range bonds {
		bonds[i] = average(bought[i], old[i], g.alpha)
	}
	bonds.normalizeColumns(g.columns)
	dividends = bonds.times(incentive)
	normalize(dividends)
	bonds.upscaleColumns(g.columns)
	return dividends, bonds
}
