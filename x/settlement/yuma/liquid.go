package yuma

// rates are the bounds of liquid alpha, the rate of a bond that depends on how far its
// weight is from the consensus.
type rates struct {
	low, high Fixed
	slope     Fixed // the steepness, negated
	atZero    Fixed // the rate at distance 0, that of every weight that was clipped
}

func newRates(p Params) rates {
	r := rates{
		low:   Proportion(p.AlphaLow),
		high:  Proportion(p.AlphaHigh),
		slope: (Fixed(p.Steepness) << 32).Div(-100 * One),
	}
	r.atZero = r.at(0)
	return r
}

// average is average with a rate for each cell, capped at 1. Under compat a bond whose
// weight is absent is gone; else it decays.
func (r rates) average(target, bonds []cell, consensus []Fixed, compat bool) []cell {
	return merge(target, bonds, func(to uint16, w, b Fixed, weighted bool) Fixed {
		if compat && !weighted || w == 0 && b == 0 {
			return 0
		}
		alpha := r.alpha(w, b, consensus[to])
		return min((One-alpha).Mul(b)+alpha.Mul(w), One)
	})
}

// alpha is the rate at distance d: how far a bond that grows is bought above the
// consensus, or how much of a bond that shrinks is sold.
func (r rates) alpha(weight, bond, consensus Fixed) Fixed {
	d := weight - consensus
	if weight < bond {
		d = bond - weight
	}
	if d <= 0 {
		return r.atZero
	}
	return r.at(min(d, One))
}

// at is low + sigmoid*(high-low), sigmoid = 1/(1+exp(-steepness*(d-1/2))), d in [0, 1].
func (r rates) at(d Fixed) Fixed {
	sigmoid := One.Div(One + r.slope.Mul(d-half).Exp())
	return clamp(r.low+sigmoid.Mul(r.high-r.low), r.low, r.high)
}
