package consensus

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/galahad-network/galahad/rl/verify"
)

// codes is the number of verdict codes; verify.Code counts from 0 without a gap.
const codes = int(verify.Undecided) + 1

// Verdict is a grader's word on one miner: a code and, for a hard failure, the first
// leaf that failed.
type Verdict struct {
	Code verify.Code
	Leaf uint64
}

// Reveal is what one grader opened.
type Reveal struct {
	// Verdicts has one entry for each miner of Input.Scores, in the same order.
	Verdicts []Verdict
	// Work is the work root: 32 bytes, or none where there was nothing to replay.
	Work []byte
}

// Input is a window at the end of REVEAL.
type Input struct {
	// Stakes are those of all eligible graders.
	Stakes []Amount
	// Reveals are those graders' valid reveals; nil for a grader without one.
	Reveals []*Reveal
	// Scores are those of the committed miners, as if their verdict were ok.
	Scores []uint64
}

// Standing says what became of a grader's reveal.
type Standing uint8

const (
	// Absent graders revealed nothing valid.
	Absent Standing = iota
	// WrongWork is a reveal whose work root is not the majority's.
	WrongWork
	// Excused is a WrongWork reveal whose grader could fetch other batches than the
	// majority, which explains the difference.
	Excused
	// Counted reveals make the consensus and are paid.
	Counted
)

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
	// Weight is the consensus weight, 0..65535.
	Weight uint32
}

// Output is the tally of a window.
type Output struct {
	// Void is true when at most 1/2 of the eligible stake revealed. Then no miner has
	// a code or a weight.
	Void bool
	// Eligible is the sum of all stakes, Revealed that of the reveals that count.
	Eligible, Revealed Amount
	// Work is the majority's work root, and HasWork whether there is a majority.
	Work    []byte
	HasWork bool
	// Graders are the standings, in the order of Input.Stakes.
	Graders []Standing
	// Miners are the outcomes, in the order of Input.Scores.
	Miners []MinerOutcome
}

// Tally finds the consensus of a window as the package comment says. It fails with
// ErrShape, ErrRange (an unknown code) or ErrOverflow, and then on every node alike.
// It costs O(graders * miners) and a sort of the graders for each miner whose rows
// differ.
func Tally(in Input) (Output, error) {
	out := Output{Miners: make([]MinerOutcome, len(in.Scores))}
	for i := range out.Miners {
		out.Miners[i].Code = verify.Undecided
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
	out.Graders = in.standings(&out)
	for i, s := range in.Stakes {
		if out.Graders[i] == Counted {
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
	in.excuse(&out)
	in.weigh(&out)
	return out, nil
}

func (in Input) check() error {
	if len(in.Stakes) != len(in.Reveals) {
		return fmt.Errorf("%w: %d stakes, %d reveals", ErrShape, len(in.Stakes), len(in.Reveals))
	}
	for g, r := range in.Reveals {
		if r == nil {
			continue
		}
		if len(r.Verdicts) != len(in.Scores) {
			return fmt.Errorf("%w: reveal %d has %d verdicts on %d miners", ErrShape, g, len(r.Verdicts), len(in.Scores))
		}
		for m, v := range r.Verdicts {
			if v.Code == verify.Unspecified || int(v.Code) >= codes {
				return fmt.Errorf("%w: reveal %d, miner %d: code %d", ErrRange, g, m, v.Code)
			}
		}
	}
	return nil
}

// standings is step 1: it sets Work and HasWork and says whose reveal counts.
func (in Input) standings(out *Output) []Standing {
	type candidate struct {
		work  []byte
		stake Amount
	}
	var candidates []candidate
	for g, r := range in.Reveals {
		if r == nil {
			continue
		}
		i := slices.IndexFunc(candidates, func(c candidate) bool { return bytes.Equal(c.work, r.Work) })
		if i < 0 {
			i = len(candidates)
			candidates = append(candidates, candidate{work: r.Work})
		}
		candidates[i].stake, _ = Add(candidates[i].stake, in.Stakes[g]) // a part of Eligible
	}
	for _, c := range candidates {
		if MoreThanHalf(c.stake, out.Eligible) { // true for one at most
			out.Work, out.HasWork = c.work, true
		}
	}
	standings := make([]Standing, len(in.Reveals))
	for g, r := range in.Reveals {
		switch {
		case r == nil:
			standings[g] = Absent
		case out.HasWork && !bytes.Equal(r.Work, out.Work):
			standings[g] = WrongWork
		default:
			standings[g] = Counted
		}
	}
	return standings
}

// code is step 3 for miner m.
func (in Input) code(m int, out *Output) MinerOutcome {
	var byCode [codes]Amount
	for g, r := range in.Reveals {
		if out.Graders[g] == Counted {
			c := r.Verdicts[m].Code
			byCode[c], _ = Add(byCode[c], in.Stakes[g]) // a part of Eligible
		}
	}
	outcome := MinerOutcome{Code: verify.Undecided}
	for c := range byCode {
		if MoreThanHalf(byCode[c], out.Eligible) { // true for one at most
			outcome.Code, outcome.Agreeing = verify.Code(c), byCode[c]
		}
	}
	if outcome.Code.Hard() {
		var stake Amount
		outcome.Leaf, stake = in.leaf(m, outcome.Code, out)
		outcome.Slashable = MoreThanTwoThirds(stake, out.Eligible)
	}
	return outcome
}

// leaf is the leaf that most of the stake which named this code for miner m named
// with it, the lowest of several, and that stake.
func (in Input) leaf(m int, code verify.Code, out *Output) (uint64, Amount) {
	type candidate struct {
		leaf  uint64
		stake Amount
	}
	var candidates []candidate
	for g, r := range in.Reveals {
		if out.Graders[g] != Counted || r.Verdicts[m].Code != code {
			continue
		}
		leaf := r.Verdicts[m].Leaf
		i := slices.IndexFunc(candidates, func(c candidate) bool { return c.leaf == leaf })
		if i < 0 {
			i = len(candidates)
			candidates = append(candidates, candidate{leaf: leaf})
		}
		candidates[i].stake, _ = Add(candidates[i].stake, in.Stakes[g]) // a part of Eligible
	}
	best := candidates[0] // the code has a majority, so somebody named it
	for _, c := range candidates[1:] {
		if c.stake.Gt(&best.stake) || (c.stake.Eq(&best.stake) && c.leaf < best.leaf) {
			best = c
		}
	}
	return best.leaf, best.stake
}

// excuse tells graders that did other work because they could fetch other batches
// from those that did wrong work.
func (in Input) excuse(out *Output) {
	for g, r := range in.Reveals {
		if out.Graders[g] != WrongWork {
			continue
		}
		for m, v := range r.Verdicts {
			if v.Code.Abstains() != out.Miners[m].Code.Abstains() {
				out.Graders[g] = Excused
				break
			}
		}
	}
}

// weigh is step 4.
func (in Input) weigh(out *Output) {
	var rows [][]uint32
	var stakes []Amount
	scores := make([]uint64, len(in.Scores))
	for g, r := range in.Reveals {
		if out.Graders[g] != Counted {
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
		rows = append(rows, NormalizeWeights(scores))
		stakes = append(stakes, in.Stakes[g])
	}
	column := make([]vote, len(rows))
	for m := range out.Miners {
		for g, row := range rows {
			column[g] = vote{row[m], stakes[g]}
		}
		out.Miners[m].Weight = supported(column, out.Eligible)
	}
}

// vote is one grader's weight for a miner, with its stake.
type vote struct {
	weight uint32
	stake  Amount
}

// supported is the stake-weighted median of step 4: the largest weight that more than
// 1/2 of the eligible stake gives or exceeds; 0 where there is none. It sorts votes.
func supported(votes []vote, eligible Amount) uint32 {
	descending := func(a, b vote) int { return cmp.Compare(b.weight, a.weight) }
	if !slices.IsSortedFunc(votes, descending) {
		slices.SortFunc(votes, descending)
	}
	var sum Amount
	for _, v := range votes {
		sum, _ = Add(sum, v.stake) // a part of eligible
		if MoreThanHalf(sum, eligible) {
			return v.weight
		}
	}
	return 0
}
