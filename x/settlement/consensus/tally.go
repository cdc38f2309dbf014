package consensus

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/verify"
)

// codes is the number of verdict codes; verify.Code counts from 0 without a gap.
const codes = int(verify.Undecided) + 1

// Verdict is a grader's word on one miner: a code, for a hard failure the first leaf
// that failed, and for ok the work root that shows it.
type Verdict struct {
	Code verify.Code
	Leaf uint64
	Work []byte
}

// Reveal is what one grader opened.
type Reveal struct {
	// Verdicts has one entry for each miner of Input.Scores, in the same order.
	Verdicts []Verdict
	// Accused has one code for each accusation of Input.Accusations.
	Accused []verify.Code
}

// Input is a window at the end of REVEAL.
type Input struct {
	// Stakes are those of all eligible graders.
	Stakes []Amount
	// Reveals are those graders' valid reveals; nil for a grader without one.
	Reveals []*Reveal
	// Scores are those of the committed miners, as if their verdict were ok.
	Scores []uint64
	// Accusations is how many accusations are judged.
	Accusations int
}

// Standing says what became of a grader's reveal.
type Standing uint8

const (
	// Absent graders revealed nothing valid.
	Absent Standing = iota
	// WrongWork is a reveal that passes a miner with another work root than the
	// majority's: it counts as none.
	WrongWork
	// Idle reveals count, but judge less than half of what others judged: they earn
	// nothing.
	Idle
	// Counted reveals make the consensus and are paid.
	Counted
)

// Counts reports whether the reveal takes part in the consensus.
func (s Standing) Counts() bool { return s == Idle || s == Counted }

// MinerOutcome is the consensus on one miner.
type MinerOutcome struct {
	// Code that more than 1/2 named; verify.Undecided where there is none.
	Code verify.Code
	// Leaf of a hard failure.
	Leaf uint64
	// Agreeing is the stake that named Code; zero where there is no such code.
	Agreeing Amount
	// Slashable is true when more than 2/3 named this Code and Leaf, a hard failure.
	Slashable bool
}

// Output is the tally of a window.
type Output struct {
	// Void is true when at most 1/2 of the eligible stake revealed. Then no miner has
	// a code, no grader weights, and no accusation a word.
	Void bool
	// Eligible is the sum of all stakes, Revealed that of the reveals that count.
	Eligible, Revealed Amount
	// Graders are the standings, in the order of Input.Stakes.
	Graders []Standing
	// Miners are the outcomes, in the order of Input.Scores.
	Miners []MinerOutcome
	// Weights are each counting grader's weights with its abstentions filled, in the
	// order of Input.Scores; nil for the others.
	Weights [][]uint32
	// Confirmed is, for each accusation, the hard failure that more than 2/3 named;
	// verify.Undecided where there is none.
	Confirmed []verify.Code
}

// Tally finds the consensus of a window as the package comment says. It fails with
// ErrShape, ErrRange (an unknown code) or ErrOverflow, and then on every node alike.
// It costs O(graders * miners) where few different work roots and leaves are named, and
// O(graders^2 * miners) at worst.
func Tally(in Input) (Output, error) {
	out := Output{
		Miners: make([]MinerOutcome, len(in.Scores)), Weights: make([][]uint32, len(in.Stakes)),
		Confirmed: make([]verify.Code, max(in.Accusations, 0)),
	}
	for i := range out.Miners {
		out.Miners[i].Code = verify.Undecided
	}
	for i := range out.Confirmed {
		out.Confirmed[i] = verify.Undecided
	}
	if err := in.check(); err != nil {
		return Output{}, err
	}
	var err error
	for _, s := range in.Stakes {
		if out.Eligible, err = Add(out.Eligible, s); err != nil {
			return Output{}, err
		}
	}
	out.Graders = in.standings(out.Eligible)
	for i, s := range in.Stakes {
		if out.Graders[i].Counts() {
			out.Revealed, _ = Add(out.Revealed, s) // a part of Eligible
		}
	}
	if !MoreThanHalf(out.Revealed, out.Eligible) {
		out.Void = true
		return out, nil
	}
	for m := range in.Scores {
		out.Miners[m] = in.code(m, &out)
	}
	in.findIdle(&out)
	in.fill(&out)
	for a := range out.Confirmed {
		out.Confirmed[a] = in.confirm(a, &out)
	}
	return out, nil
}

func (in Input) check() error {
	if len(in.Stakes) != len(in.Reveals) || in.Accusations < 0 {
		return fmt.Errorf("%w: %d stakes, %d reveals, %d accusations", ErrShape, len(in.Stakes), len(in.Reveals), in.Accusations)
	}
	for g, r := range in.Reveals {
		if r == nil {
			continue
		}
		if len(r.Verdicts) != len(in.Scores) || len(r.Accused) != in.Accusations {
			return fmt.Errorf("%w: reveal %d has %d verdicts on %d miners, %d on %d accusations", ErrShape, g,
				len(r.Verdicts), len(in.Scores), len(r.Accused), in.Accusations)
		}
		for m, v := range r.Verdicts {
			if !known(v.Code) {
				return fmt.Errorf("%w: reveal %d, miner %d: code %d", ErrRange, g, m, v.Code)
			}
		}
		for a, code := range r.Accused {
			if !known(code) {
				return fmt.Errorf("%w: reveal %d, accusation %d: code %d", ErrRange, g, a, code)
			}
		}
	}
	return nil
}

func known(c verify.Code) bool { return c != verify.Unspecified && int(c) < codes }

// support is something that graders named, and the stake that named it.
type support[T any] struct {
	what  T
	stake Amount
}

// add adds a grader's stake to what it named.
func add[T any](named []support[T], what T, stake Amount, same func(a, b T) bool) []support[T] {
	for i := range named {
		if same(named[i].what, what) {
			named[i].stake, _ = Add(named[i].stake, stake) // a part of the eligible stake
			return named
		}
	}
	return append(named, support[T]{what, stake})
}

// standings is step 1. Majorities are over the stakes of all reveals, those that do not
// count included, so that one pass is enough and no order of dropping reveals matters.
func (in Input) standings(eligible Amount) []Standing {
	standings := make([]Standing, len(in.Reveals))
	for g, r := range in.Reveals {
		if r != nil {
			standings[g] = Counted
		}
	}
	var roots []support[[]byte]
	for m := range in.Scores {
		if in.sameWork(m) {
			continue
		}
		roots = roots[:0]
		for g, r := range in.Reveals {
			if r != nil && r.Verdicts[m].Code == verify.OK {
				roots = add(roots, r.Verdicts[m].Work, in.Stakes[g], bytes.Equal)
			}
		}
		i := slices.IndexFunc(roots, func(s support[[]byte]) bool { return MoreThanHalf(s.stake, eligible) })
		if i < 0 {
			continue
		}
		for g, r := range in.Reveals {
			if r != nil && r.Verdicts[m].Code == verify.OK && !bytes.Equal(r.Verdicts[m].Work, roots[i].what) {
				standings[g] = WrongWork
			}
		}
	}
	return standings
}

// sameWork reports whether all that pass miner m have the same work root, as is the rule.
func (in Input) sameWork(m int) bool {
	var first *Verdict
	for _, r := range in.Reveals {
		switch {
		case r == nil || r.Verdicts[m].Code != verify.OK:
		case first == nil:
			first = &r.Verdicts[m]
		case !bytes.Equal(first.Work, r.Verdicts[m].Work):
			return false
		}
	}
	return true
}

// code is step 3 for miner m.
func (in Input) code(m int, out *Output) MinerOutcome {
	var byCode [codes]Amount
	in.votes(out, &byCode, func(r *Reveal) verify.Code { return r.Verdicts[m].Code })
	outcome := MinerOutcome{Code: verify.Undecided}
	for c := range byCode {
		if MoreThanHalf(byCode[c], out.Eligible) { // true for one at most
			outcome.Code, outcome.Agreeing = verify.Code(c), byCode[c]
		}
	}
	if outcome.Code.Hard() {
		best := in.leaf(m, outcome.Code, out)
		outcome.Leaf = best.what
		outcome.Slashable = MoreThanTwoThirds(best.stake, out.Eligible)
	}
	return outcome
}

// votes adds up the stake of the reveals that count by the code that each names.
func (in Input) votes(out *Output, byCode *[codes]Amount, of func(*Reveal) verify.Code) {
	last, run := verify.Unspecified, Amount{} // graders agree as a rule
	for g, r := range in.Reveals {
		if !out.Graders[g].Counts() {
			continue
		}
		if c := of(r); c != last {
			byCode[last], _ = Add(byCode[last], run)
			last, run = c, Amount{}
		}
		run, _ = Add(run, in.Stakes[g]) // a part of Eligible
	}
	byCode[last], _ = Add(byCode[last], run)
}

// leaf is the leaf that most of the stake which named this code for miner m named
// with it, the lowest of several, and that stake.
func (in Input) leaf(m int, code verify.Code, out *Output) (best support[uint64]) {
	var leaves []support[uint64]
	for g, r := range in.Reveals {
		if out.Graders[g].Counts() && r.Verdicts[m].Code == code {
			leaves = add(leaves, r.Verdicts[m].Leaf, in.Stakes[g], func(a, b uint64) bool { return a == b })
		}
	}
	for i, l := range leaves {
		if i == 0 || l.stake.Gt(&best.stake) || (l.stake.Eq(&best.stake) && l.what < best.what) {
			best = l
		}
	}
	return best
}

// findIdle is step 4.
func (in Input) findIdle(out *Output) {
	var all Amount // sums of scores below 2^32 each
	for m, o := range out.Miners {
		if !o.Code.Abstains() {
			all, _ = Add(all, NewAmount(in.Scores[m]))
		}
	}
	for g, r := range in.Reveals {
		if out.Graders[g] != Counted {
			continue
		}
		var skipped Amount
		for m, v := range r.Verdicts {
			if v.Code.Abstains() && !out.Miners[m].Code.Abstains() {
				skipped, _ = Add(skipped, NewAmount(in.Scores[m]))
			}
		}
		if MoreThanHalf(skipped, all) {
			out.Graders[g] = Idle
		}
	}
}

// fill is step 5.
func (in Input) fill(out *Output) {
	scores := make([]uint64, len(in.Scores))
	for g, r := range in.Reveals {
		if !out.Graders[g].Counts() {
			continue
		}
		for m, v := range r.Verdicts {
			code := v.Code
			if code.Abstains() {
				code = out.Miners[m].Code
			}
			scores[m] = 0
			if code == verify.OK {
				scores[m] = in.Scores[m]
			}
		}
		out.Weights[g] = NormalizeWeights(scores)
	}
}

// confirm is step 6 for accusation a.
func (in Input) confirm(a int, out *Output) verify.Code {
	var byCode [codes]Amount
	in.votes(out, &byCode, func(r *Reveal) verify.Code { return r.Accused[a] })
	for c := range byCode {
		if verify.Code(c).Hard() && MoreThanTwoThirds(byCode[c], out.Eligible) {
			return verify.Code(c)
		}
	}
	return verify.Undecided
}
