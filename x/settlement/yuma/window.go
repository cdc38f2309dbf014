package yuma

import (
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// Grader is one frozen eligible grader of a window. The column of an entry is the index
// of a miner.
type Grader struct {
	Stake   consensus.Amount
	Active  bool    // its reveal counts
	Weights []Entry // without effect unless Active
	Bonds   []Entry // as the last window returned them
}

// Payout of a window. Incentive and IncentiveRemainder add up to One exactly, and so do
// Dividends and DividendRemainder.
type Payout struct {
	Consensus      []uint16 // per miner, the weight that the graders agree on
	Incentive      []Fixed  // per miner
	Dividends      []Fixed  // per grader
	ValidatorTrust []Fixed  // per grader, how much of its weights the consensus left
	Bonds          [][]Entry

	IncentiveRemainder, DividendRemainder Fixed
}

// Window settles a window: an epoch in which graders judge miners, with no masks, every
// grader holding a permit, and three rules of its own. The consensus asks for kappa of the
// stake of all graders, not of those alone that revealed: who did not, supports no
// weight. Miners are paid by the consensus, not by the mean of the clipped weights: graders
// without a majority can neither raise nor lower a miner's pay. And where no dividend was
// earned, active stake is paid. If there is no incentive, or no active stake, all of it is
// in the remainder.
//
// It is a pure function of its arguments, which it leaves as they are, and costs about
// the number of entries times the logarithm of that of graders. It fails with ErrSize,
// ErrColumn, ErrDuplicate, ErrParams or ErrOverflow (a total stake of 2^256 or more).
func Window(graders []Grader, miners int, p Params) (Payout, error) {
	if len(graders) > MaxSize || miners < 0 || miners > MaxSize {
		return Payout{}, fmt.Errorf("%w: %d graders, %d miners", ErrSize, len(graders), miners)
	}
	if err := p.Validate(); err != nil {
		return Payout{}, err
	}
	g, err := newWindow(graders, miners, newSettings(p))
	if err != nil {
		return Payout{}, err
	}
	return g.payout(), nil
}

func (g *game) payout() Payout {
	r := g.play()
	if sum(r.dividends) == 0 {
		r.dividends = g.active
	}
	return Payout{
		Consensus: toU16(r.consensus), ValidatorTrust: r.trust,
		Incentive: r.incentive, IncentiveRemainder: One - sum(r.incentive),
		Dividends: r.dividends, DividendRemainder: One - sum(r.dividends),
		Bonds: r.bonds.entries(g.compat),
	}
}

func newWindow(graders []Grader, miners int, s settings) (*game, error) {
	g := &game{settings: s, columns: miners, majority: true, permit: slices.Repeat([]bool{true}, len(graders))}
	var err error
	if g.voting, err = amountShares(graders); err != nil {
		return nil, err
	}
	g.active = make([]Fixed, len(graders))
	weights, bonds := make([][]Entry, len(graders)), make([][]Entry, len(graders))
	for i, x := range graders {
		bonds[i] = x.Bonds
		if x.Active {
			g.active[i], weights[i] = g.voting[i], x.Weights
		}
	}
	normalize(g.active)
	if g.weights, err = newMatrix(weights, miners, Int); err != nil {
		return nil, err
	}
	g.weights.normalizeRows()
	g.bonds, err = newMatrix(bonds, miners, s.stored())
	return g, err
}

// amountShares are the graders' shares of their total stake, rounded down.
func amountShares(graders []Grader) ([]Fixed, error) {
	var total consensus.Amount
	for _, x := range graders {
		var err error
		if total, err = consensus.Add(total, x.Stake); err != nil {
			return nil, fmt.Errorf("%w: 2^256 or more", ErrOverflow)
		}
	}
	shares := make([]Fixed, len(graders))
	for i, x := range graders {
		share, err := consensus.Share(consensus.NewAmount(uint64(One)), x.Stake, total)
		if err != nil {
			return nil, err
		}
		shares[i] = Fixed(share.Uint64())
	}
	return shares, nil
}
