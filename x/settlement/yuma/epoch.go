package yuma

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// NoCommit is the commit block of a uid without an unexpired commit.
const NoCommit = math.MaxUint64

// Network is what stays of a network from epoch to epoch, beside Params.
type Network struct {
	MaxValidators  int    // how many uids get a permit
	StakeThreshold uint64 // less stake counts as none
	ActivityCutoff uint64 // in blocks since the last update
	Tempo          uint64 // blocks between epochs
	Owner          *uint16
}

// Input of an epoch of n uids: each slice has length n, CommitBlocks may be nil.
type Input struct {
	Block    uint64
	LastStep uint64 // block of the last epoch, 0 if there was none
	Emission uint64

	Stake        []uint64
	LastUpdate   []uint64 // block of the last weights
	Registered   []uint64 // block of the registration
	CommitBlocks []uint64 // earliest unexpired commit, or NoCommit
	Permits      []bool   // as of the last epoch
	Weights      [][]Entry
	Bonds        [][]Entry // as the last epoch returned them
}

// Output of an epoch, by uid.
type Output struct {
	Active      []bool
	Permits     []bool // for the next epoch
	Stake       []Fixed
	ActiveStake []Fixed

	Consensus      []Fixed
	ValidatorTrust []Fixed
	Incentive      []Fixed
	Dividends      []Fixed
	Bonds          [][]Entry

	// Emission is what a uid gets of Input.Emission as a whole, Server and Validator the
	// two parts of it; as each is rounded down, they may be 1 short of it together.
	Emission, Server, Validator []uint64
	// Remainder is Input.Emission less all of Emission, PartsRemainder less all of
	// Server and Validator.
	Remainder, PartsRemainder uint64
}

// Epoch runs one epoch of a network in which every uid may judge and be judged. It is a
// pure function of its arguments, which it leaves as they are; rows may come in any
// order. It fails with ErrShape, ErrSize, ErrColumn, ErrDuplicate, ErrParams or
// ErrOverflow (stakes that add up to 2^63 or more).
func Epoch(in Input, net Network, p Params) (Output, error) {
	n := len(in.Stake)
	if err := in.validate(net, p); err != nil {
		return Output{}, err
	}
	var out Output
	var err error
	if out.Stake, err = stakeShares(in.Stake, net); err != nil {
		return Output{}, err
	}
	permit := slices.Clone(in.Permits)
	out.Permits = topStakes(out.Stake, net.MaxValidators)
	if net.Owner != nil {
		permit[*net.Owner], out.Permits[*net.Owner] = true, true
	}
	out.Active = make([]bool, n)
	out.ActiveStake = make([]Fixed, n)
	for i, s := range out.Stake {
		out.Active[i] = addSaturated(in.LastUpdate[i], net.ActivityCutoff) >= in.Block
		if out.Active[i] && permit[i] {
			out.ActiveStake[i] = s
		}
	}
	normalize(out.ActiveStake)

	g := game{settings: newSettings(p), columns: n, active: out.ActiveStake, voting: out.ActiveStake, permit: permit}
	if g.weights, err = in.weights(net.Owner, permit); err != nil {
		return Output{}, err
	}
	if g.bonds, err = in.bonds(net.Tempo, g.stored()); err != nil {
		return Output{}, err
	}
	r := g.play()
	out.Consensus, out.ValidatorTrust, out.Incentive, out.Dividends = r.consensus, r.trust, r.incentive, r.dividends
	for i, kept := range out.Permits {
		if !kept {
			r.bonds[i] = nil
		}
	}
	out.Bonds = r.bonds.entries(p.Compat)
	out.emit(in.Emission)
	return out, nil
}

func (in Input) validate(net Network, p Params) error {
	n := len(in.Stake)
	for _, l := range []int{len(in.LastUpdate), len(in.Registered), len(in.Permits), len(in.Weights), len(in.Bonds)} {
		if l != n {
			return fmt.Errorf("%w: %d beside %d uids", ErrShape, l, n)
		}
	}
	switch {
	case in.CommitBlocks != nil && len(in.CommitBlocks) != n:
		return fmt.Errorf("%w: %d commit blocks beside %d uids", ErrShape, len(in.CommitBlocks), n)
	case n > MaxSize:
		return fmt.Errorf("%w: %d uids", ErrSize, n)
	case net.Owner != nil && int(*net.Owner) >= n:
		return fmt.Errorf("%w: owner %d of %d", ErrColumn, *net.Owner, n)
	case net.MaxValidators < 0:
		return fmt.Errorf("%w: %d validators", ErrParams, net.MaxValidators)
	}
	return p.Validate()
}

// stakeShares are the shares of the stake that reaches the threshold, rounded down.
func stakeShares(stake []uint64, net Network) ([]Fixed, error) {
	counted := make([]uint64, len(stake))
	var total uint64
	for i, s := range stake {
		if s < net.StakeThreshold && (net.Owner == nil || int(*net.Owner) != i) {
			continue
		}
		if total += s; total > math.MaxInt64 || s > math.MaxInt64 {
			return nil, fmt.Errorf("%w: 2^63 or more", ErrOverflow)
		}
		counted[i] = s
	}
	shares := make([]Fixed, len(stake))
	for i, s := range counted {
		if s > 0 {
			share, _ := bits.Div64(s>>32, s<<32, total) // s <= total < 2^63
			shares[i] = Fixed(share)
		}
	}
	return shares, nil
}

// topStakes marks the k largest stakes that are not 0; of equals the higher uid wins.
func topStakes(stake []Fixed, k int) []bool {
	order := make([]int, len(stake))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(stake[a], stake[b]) })
	top := make([]bool, len(stake))
	for _, i := range order[max(0, len(order)-k):] {
		top[i] = stake[i] > 0
	}
	return top
}

// weights are the rows with a permit, without self-weights (but the owner's), without
// those given, or committed to, before their uid was registered, and normalized.
func (in Input) weights(owner *uint16, permit []bool) (matrix, error) {
	m, err := newMatrix(in.Weights, len(in.Stake), Int)
	if err != nil {
		return nil, err
	}
	m.filter(func(i int, c cell) bool {
		registered := in.Registered[c.to]
		return permit[i] &&
			(i != int(c.to) || owner != nil && c.to == *owner) &&
			in.LastUpdate[i] > registered &&
			(in.CommitBlocks == nil || in.CommitBlocks[i] >= registered)
	})
	m.normalizeRows()
	return m, nil
}

// bonds are the stored rows without the bonds to uids registered since the last epoch.
func (in Input) bonds(tempo uint64, value func(uint16) Fixed) (matrix, error) {
	m, err := newMatrix(in.Bonds, len(in.Stake), value)
	if err != nil {
		return nil, err
	}
	last := addSaturated(in.LastStep, 1)
	if in.LastStep == 0 {
		last = in.Block - min(tempo, in.Block)
	}
	m.filter(func(_ int, c cell) bool { return last > in.Registered[c.to] })
	return m, nil
}

// emit shares amount out by incentive and dividends; where nothing was earned, by
// active stake, and where there is none, by stake.
func (out *Output) emit(amount uint64) {
	n := len(out.Stake)
	server, validator := slices.Clone(out.Incentive), slices.Clone(out.Dividends)
	both := make([]Fixed, n)
	for i := range both {
		both[i] = server[i] + validator[i]
	}
	if total := sum(both); total > 0 {
		for i := range both {
			server[i], validator[i], both[i] = server[i].Div(total), validator[i].Div(total), both[i].Div(total)
		}
	} else {
		validator = out.ActiveStake
		if sum(validator) == 0 {
			validator = out.Stake
		}
		both = validator
	}
	out.Server, out.Validator, out.Emission = make([]uint64, n), make([]uint64, n), make([]uint64, n)
	out.Remainder, out.PartsRemainder = amount, amount
	for i := range both {
		out.Server[i], out.Validator[i], out.Emission[i] = server[i].Of(amount), validator[i].Of(amount), both[i].Of(amount)
		out.Remainder -= out.Emission[i]
		out.PartsRemainder -= out.Server[i] + out.Validator[i]
	}
}

func addSaturated(a, b uint64) uint64 {
	s, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return s
}
