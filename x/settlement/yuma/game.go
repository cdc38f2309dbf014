package yuma

import "slices"

// game is an epoch after all masks: rows judge columns.
type game struct {
	settings
	columns int
	active  []Fixed // stake of the rows that earn: adds up to One, or is all 0
	voting  []Fixed // stake of the rows that make the consensus
	permit  []bool
	weights matrix // normalized rows
	// majority pays columns by the consensus, so that a minority of the stake cannot take
	// from what a column is due; else by the mean of the clipped weights.
	majority bool
	bonds    matrix // as stored, see settings.stored; used up by play
}

// settings are Params as numbers at work.
type settings struct {
	yuma3, liquid, compat bool

	kappa, penalty, alpha Fixed
	symmetric             bool
	slack                 Fixed
	rates                 rates
}

func newSettings(p Params) settings {
	return settings{
		yuma3: p.Yuma3, liquid: p.LiquidAlpha, compat: p.Compat,
		kappa: Proportion(p.Kappa), penalty: Proportion(p.BondsPenalty),
		alpha:     One - Fixed(p.BondsMovingAverage<<32/million),
		symmetric: p.SymmetricClip, slack: Proportion(p.ClipSlack),
		rates: newRates(p),
	}
}

// stored is what a stored bond is worth: Yuma2 scales columns anew, Yuma3 keeps 65535ths.
func (s settings) stored() func(uint16) Fixed {
	if s.yuma3 {
		return Proportion
	}
	return Int
}

// result of a game.
type result struct {
	consensus []Fixed // per column, the weight that kappa of the stake supports
	trust     []Fixed // per row, the sum of its clipped weights
	incentive []Fixed // per column: adds up to One at most, or is all 0
	dividends []Fixed // per row: likewise
	bonds     matrix  // the new bonds, as proportions
}

// play runs steps 6 to 11 of the epoch.
func (g *game) play() (r result) {
	r.consensus = medians(g.weights, g.voting, g.columns, g.kappa)
	clipped := clip(g.weights, r.consensus)
	r.trust = make([]Fixed, len(clipped))
	for i, row := range clipped {
		r.trust[i] = rowSum(row)
	}
	if g.majority {
		r.incentive = slices.Clone(r.consensus)
	} else {
		r.incentive = clipped.weigh(g.active, g.columns)
	}
	normalize(r.incentive)

	weights := bondWeights(g.weights, clipped, g.penalty)
	if g.symmetric {
		weights = raise(weights, r.consensus, g.slack)
	}
	if g.yuma3 {
		r.dividends, r.bonds = g.yuma3Bonds(weights, r.consensus, r.incentive)
	} else {
		r.dividends, r.bonds = g.yuma2Bonds(weights, r.incentive)
	}
	return r
}
