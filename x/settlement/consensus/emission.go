package consensus

import "fmt"

// Emission is the reward of the blocks [start, end): the sum of r(h) = r0 >> (h/halving)
// over them, in agal, in closed form over the halvings (at most 256, after which r is
// 0). An empty range is worth 0. It fails with ErrRange for negative heights, an end
// before the start or a halving of 0, and with ErrOverflow.
func Emission(r0 Amount, halving uint64, start, end int64) (Amount, error) {
	if start < 0 || end < start || halving == 0 {
		return Amount{}, fmt.Errorf("%w: emission of blocks [%d, %d) halving every %d", ErrRange, start, end, halving)
	}
	var sum Amount
	for at, stop := uint64(start), uint64(end); at < stop; {
		era := at / halving
		var reward Amount
		if era < 256 {
			reward.Rsh(&r0, uint(era))
		}
		if reward.IsZero() {
			break // and so are all later ones
		}
		next := stop
		// The era ends at (era+1)*halving; at <= 2^63, so only a huge halving could
		// wrap, and then the era outlasts every height.
		if left := halving - at%halving; left < stop-at {
			next = at + left
		}
		part, err := Mul(reward, NewAmount(next-at))
		if err != nil {
			return Amount{}, err
		}
		if sum, err = Add(sum, part); err != nil {
			return Amount{}, err
		}
		at = next
	}
	return sum, nil
}

// Rates split a window's emission, in millionths; what they leave goes to the
// community pool.
type Rates struct {
	Miners, Graders, Learner, Validators uint32
}

// Parts are a split emission. Their sum is the emission, exactly.
type Parts struct {
	Miners, Graders, Learner, Validators, Pool Amount
}

// Split divides minted by rates, each part rounded down and the remainder in Pool. It
// fails with ErrRange if the rates add up to more than 1e6.
func Split(minted Amount, r Rates) (Parts, error) {
	if uint64(r.Miners)+uint64(r.Graders)+uint64(r.Learner)+uint64(r.Validators) > Million {
		return Parts{}, fmt.Errorf("%w: rates add up to more than %d millionths", ErrRange, Million)
	}
	p := Parts{Pool: minted}
	for _, part := range []struct {
		to  *Amount
		ppm uint32
	}{{&p.Miners, r.Miners}, {&p.Graders, r.Graders}, {&p.Learner, r.Learner}, {&p.Validators, r.Validators}} {
		var err error
		if *part.to, err = SharePPM(minted, part.ppm); err != nil {
			return Parts{}, err
		}
		if p.Pool, err = Sub(p.Pool, *part.to); err != nil {
			return Parts{}, err
		}
	}
	return p, nil
}

// MeanWindows is the memory of MeanPay and MeanScore, in windows.
const MeanWindows = 8

// MeanPay moves the trailing mean of the pay per group by a window in which paid agal
// went to so many groups: floor((7*mean + pay)/8) with pay = floor(paid/groups). The
// first window that pays sets it; one without groups leaves it.
func MeanPay(mean, paid Amount, groups uint64) (Amount, error) {
	if groups == 0 {
		return mean, nil
	}
	var pay Amount
	pay.Div(&paid, &Amount{groups})
	if mean.IsZero() {
		return pay, nil
	}
	sum, err := Mul(mean, NewAmount(MeanWindows-1))
	if err != nil {
		return Amount{}, err
	}
	if sum, err = Add(sum, pay); err != nil {
		return Amount{}, err
	}
	return *sum.Rsh(&sum, 3), nil
}

// MeanScore moves the trailing mean of a miner's incentives by a window:
// floor((7*mean + incentive)/8), in the unit of both, below 2^60.
func MeanScore(mean, incentive uint64) uint64 {
	return ((MeanWindows-1)*min(mean, 1<<60) + min(incentive, 1<<60)) / MeanWindows
}

// BondPerGroup is what a committed group locks: multiple times the mean pay per group,
// at least floor.
func BondPerGroup(mean, floor Amount, multiple uint32) (Amount, error) {
	bond, err := Mul(mean, NewAmount(uint64(multiple)))
	if err != nil {
		return Amount{}, err
	}
	if bond.Lt(&floor) {
		return floor, nil
	}
	return bond, nil
}
