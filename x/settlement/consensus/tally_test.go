package consensus

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
)

var (
	workA = bytes.Repeat([]byte{0xaa}, 32)
	workB = bytes.Repeat([]byte{0xbb}, 32)
)

// window builds inputs: one stake and one reveal a grader.
type window struct{ in Input }

func newWindow(scores ...uint64) *window { return &window{Input{Scores: scores}} }

// grader adds a grader that reveals these verdicts; none means that it is absent.
func (w *window) grader(stake uint64, work []byte, verdicts ...Verdict) *window {
	w.in.Stakes = append(w.in.Stakes, NewAmount(stake))
	if len(verdicts) == 0 {
		w.in.Reveals = append(w.in.Reveals, nil)
		return w
	}
	for m := range verdicts {
		if verdicts[m].Code == verify.OK {
			verdicts[m].Work = work
		}
	}
	w.in.Reveals = append(w.in.Reveals, &Reveal{Verdicts: verdicts})
	return w
}

func (w *window) tally(t *testing.T) Output {
	t.Helper()
	out, err := Tally(w.in)
	require.NoError(t, err)
	return out
}

func ok() Verdict                                { return Verdict{Code: verify.OK} }
func hard(code verify.Code, leaf uint64) Verdict { return Verdict{Code: code, Leaf: leaf} }
func abstain(code verify.Code) Verdict           { return Verdict{Code: code} }
func named(out Output, miner int) (uint32, uint64) {
	return uint32(out.Miners[miner].Code), out.Miners[miner].Leaf
}

func TestHardFailureSlashesAboveTwoThirdsOnly(t *testing.T) {
	for _, c := range []struct {
		name        string
		accuse, not uint64
		slash       bool
	}{
		{"exactly two thirds", 200, 100, false},
		{"one more", 201, 99, true},
		{"one less", 199, 101, false},
		{"all", 300, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := hard(verify.BadSample, 7)
			w := newWindow(16).grader(c.accuse, workA, bad)
			if c.not > 0 {
				w.grader(c.not, workA, ok())
			}
			out := w.tally(t)
			require.Equal(t, verify.BadSample, out.Miners[0].Code)
			require.Equal(t, uint64(7), out.Miners[0].Leaf)
			require.Equal(t, c.slash, out.Miners[0].Slashable)
			require.Equal(t, []uint32{0}, out.Weights[0])
		})
	}
}

func TestSplitLeavesPayNothingAndSlashNothing(t *testing.T) {
	out := newWindow(16).
		grader(40, workA, hard(verify.BadSample, 9)).
		grader(40, workA, hard(verify.BadSample, 3)).
		grader(20, workA, ok()).tally(t)
	require.Equal(t, MinerOutcome{Code: verify.BadSample, Leaf: 3, Agreeing: NewAmount(80)}, out.Miners[0],
		"the lowest of the leaves with the most stake")

	// Different hard codes, none with a majority: undecided.
	out = newWindow(16).
		grader(40, workA, hard(verify.BadSample, 3)).
		grader(40, workA, hard(verify.BadReward, 3)).
		grader(20, workA, ok()).tally(t)
	require.Equal(t, MinerOutcome{Code: verify.Undecided}, out.Miners[0])
}

func TestPayNeedsMoreThanHalf(t *testing.T) {
	for _, c := range []struct {
		name string
		yes  uint64
		ok   bool
	}{{"exactly half", 100, false}, {"one more", 101, true}, {"one less", 99, false}} {
		t.Run(c.name, func(t *testing.T) {
			out := newWindow(16).
				grader(c.yes, workA, ok()).
				grader(200-c.yes, workA, hard(verify.BadReward, 0)).tally(t)
			require.Equal(t, c.ok, out.Miners[0].Code == verify.OK)
		})
	}
}

func TestWindowIsVoidUnlessMoreThanHalfReveals(t *testing.T) {
	out := newWindow(16).grader(100, workA, ok()).grader(100, nil).tally(t)
	require.True(t, out.Void, "exactly half")
	require.Equal(t, verify.Undecided, out.Miners[0].Code)
	require.Equal(t, [][]uint32{nil, nil}, out.Weights)

	out = newWindow(16).grader(101, workA, ok()).grader(100, nil).tally(t)
	require.False(t, out.Void, "one more than half")
	require.Equal(t, verify.OK, out.Miners[0].Code)

	require.True(t, newWindow().tally(t).Void, "no graders at all")
	require.True(t, newWindow(16).grader(5, nil).tally(t).Void, "nobody revealed")
	require.True(t, newWindow(16).grader(0, workA, ok()).tally(t).Void, "stake of zero")
}

// A lazy grader guesses the verdicts but has no forward pass for the work root.
func TestLazyGraderWithWrongWorkDoesNotCount(t *testing.T) {
	out := newWindow(16, 9).
		grader(60, workA, ok(), hard(verify.BadSample, 1)).
		grader(40, workB, ok(), ok()).tally(t)
	require.Equal(t, []Standing{Counted, WrongWork}, out.Graders)
	require.Equal(t, NewAmount(60), out.Revealed)
	require.Equal(t, verify.BadSample, out.Miners[1].Code)
	require.False(t, out.Miners[1].Slashable, "the lazy grader's stake still counts in the total")
	require.Nil(t, out.Weights[1])
}

func TestWithoutWorkMajorityNobodyIsWrong(t *testing.T) {
	out := newWindow(16).grader(50, workA, ok()).grader(50, workB, ok()).tally(t)
	require.Equal(t, []Standing{Counted, Counted}, out.Graders)
	require.Equal(t, verify.OK, out.Miners[0].Code)
}

// Work is held against the majority's for each miner by itself: one wrong root is enough,
// and a miner that a grader did not pass is none of its work.
func TestWorkIsComparedMinerByMiner(t *testing.T) {
	w := newWindow(16, 16, 16).
		grader(60, workA, ok(), ok(), ok()).
		grader(20, workA, ok(), abstain(verify.Unavailable), ok()).
		grader(20, workA, ok(), ok(), ok())
	w.in.Reveals[2].Verdicts[2].Work = workB
	require.Equal(t, []Standing{Counted, Counted, WrongWork}, w.tally(t).Graders)
	w.in.Reveals[2].Verdicts[2] = hard(verify.BadSample, 1)
	require.Equal(t, []Standing{Counted, Counted, Counted}, w.tally(t).Graders, "another opinion is no wrong work")
}

// Dropping a reveal takes nothing from the majorities that it was a part of, so that
// everything follows in one pass: the root of miner 1 is that of the first and the third
// grader, though the third one does not count, for its root of miner 0.
func TestMajoritiesOfWorkAreOverAllReveals(t *testing.T) {
	w := newWindow(16, 16).
		grader(30, workA, ok(), ok()).
		grader(35, workA, ok(), ok()).
		grader(35, workB, ok(), ok())
	w.in.Reveals[0].Verdicts[1].Work = workB
	out := w.tally(t) // miner 0: workA by 65; miner 1: workB by 65
	require.Equal(t, []Standing{Counted, WrongWork, WrongWork}, out.Graders)
	require.True(t, out.Void)
}

// A cheat that serves one grader late must not cost it its pay.
func TestGraderThatWasNotServedAbstainsThere(t *testing.T) {
	out := newWindow(16, 16, 16).
		grader(60, workA, ok(), ok(), ok()).
		grader(20, workA, ok(), abstain(verify.Unavailable), ok()).
		grader(20, workA, ok(), ok(), abstain(verify.Undecided)).tally(t)
	require.Equal(t, []Standing{Counted, Counted, Counted}, out.Graders)
	require.Equal(t, out.Weights[0], out.Weights[1])
	require.Equal(t, out.Weights[0], out.Weights[2])

	// The majority was not served, the minority was: it passes with nobody to contradict.
	out = newWindow(16, 16).
		grader(60, workA, ok(), abstain(verify.Unavailable)).
		grader(40, workA, ok(), ok()).tally(t)
	require.Equal(t, []Standing{Counted, Counted}, out.Graders)
	require.Equal(t, verify.Unavailable, out.Miners[1].Code)
}

// To abstain shows no work: whoever leaves more than half of it out is not paid.
func TestAGraderThatAbstainsOnMostIsIdle(t *testing.T) {
	none := abstain(verify.Undecided)
	out := newWindow(16, 8, 8).
		grader(60, workA, ok(), ok(), hard(verify.BadReward, 1)).
		grader(10, workA, none, none, none).
		grader(10, workA, none, ok(), ok()).
		grader(10, workA, none, none, hard(verify.BadReward, 1)).
		grader(10, workA, ok(), none, none).tally(t)
	require.Equal(t, []Standing{Counted, Idle, Counted, Idle, Counted}, out.Graders, "exactly half is enough")
	require.Equal(t, NewAmount(100), out.Revealed, "it counts all the same")

	// Nothing to judge, nothing to be idle about.
	out = newWindow(16).grader(100, workA, none).tally(t)
	require.Equal(t, []Standing{Counted}, out.Graders)
	require.Equal(t, []Standing{Counted}, newWindow(0).grader(60, workA, ok()).tally(t).Graders)
}

func TestAbstentionsTakeTheConsensusValue(t *testing.T) {
	// Miner 0 is the best one. A grader that abstained on it must not give the others
	// more than those that did not.
	out := newWindow(16, 8).
		grader(60, workA, ok(), ok()).
		grader(40, workA, abstain(verify.Undecided), ok()).tally(t)
	require.Equal(t, []uint32{MaxWeight, MaxWeight / 2}, out.Weights[0])
	require.Equal(t, out.Weights[0], out.Weights[1])

	// An abstention is no vote: 40 of 100 are not more than half.
	out = newWindow(16).
		grader(40, workA, ok()).
		grader(60, workA, abstain(verify.Undecided)).tally(t)
	require.Equal(t, verify.Undecided, out.Miners[0].Code)
	require.Equal(t, []uint32{0}, out.Weights[1])
	require.False(t, out.Miners[0].Agreeing.IsZero(), "more than half said undecided")
}

func TestAccusationsNeedMoreThanTwoThirds(t *testing.T) {
	confirmed := func(stakes []uint64, codes ...verify.Code) verify.Code {
		w := newWindow(16)
		for i, s := range stakes {
			w.grader(s, workA, ok())
			w.in.Reveals[i].Accused = []verify.Code{codes[i]}
		}
		w.in.Accusations = 1
		return w.tally(t).Confirmed[0]
	}
	require.Equal(t, verify.Undecided, confirmed([]uint64{200, 100}, verify.BadSample, verify.OK), "exactly two thirds")
	require.Equal(t, verify.BadSample, confirmed([]uint64{201, 99}, verify.BadSample, verify.OK))
	require.Equal(t, verify.Undecided, confirmed([]uint64{150, 150}, verify.BadSample, verify.BadLogProb), "the same code")
	require.Equal(t, verify.Undecided, confirmed([]uint64{300}, verify.OK))
	require.Equal(t, verify.Undecided, confirmed([]uint64{300}, verify.Unavailable), "no hard failure")
	w := newWindow(16).grader(201, workA, ok()).grader(99, nil)
	w.in.Accusations, w.in.Reveals[0].Accused = 1, []verify.Code{verify.BadSample}
	require.Equal(t, verify.BadSample, w.tally(t).Confirmed[0], "of the eligible stake")
}

func TestUnavailableNeedsMoreThanHalf(t *testing.T) {
	vote := func(stake uint64) verify.Code {
		return newWindow(16).grader(stake, workA, abstain(verify.Unavailable)).
			grader(200-stake, workA, ok()).tally(t).Miners[0].Code
	}
	require.Equal(t, verify.Unavailable, vote(101))
	require.Equal(t, verify.Undecided, vote(100))
	require.Equal(t, verify.OK, vote(99))
}

func TestTallyRefusesMisshapenInputs(t *testing.T) {
	_, err := Tally(Input{Stakes: []Amount{NewAmount(1)}})
	require.ErrorIs(t, err, ErrShape)
	_, err = Tally(newWindow(1, 2).grader(1, workA, ok()).in)
	require.ErrorIs(t, err, ErrShape)
	for _, code := range []verify.Code{verify.Unspecified, 16, 1 << 31} {
		_, err = Tally(newWindow(1).grader(1, workA, Verdict{Code: code}).in)
		require.ErrorIs(t, err, ErrRange, "code %d", code)
		in := newWindow(1).grader(1, workA, ok()).in
		in.Accusations, in.Reveals[0].Accused = 1, []verify.Code{code}
		_, err = Tally(in)
		require.ErrorIs(t, err, ErrRange, "accusation, code %d", code)
	}
	in := newWindow(1).grader(1, workA, ok()).in
	in.Accusations = 1
	_, err = Tally(in)
	require.ErrorIs(t, err, ErrShape)
	in.Accusations = -1
	_, err = Tally(in)
	require.ErrorIs(t, err, ErrShape)
	most := Amount{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}
	in = newWindow(1).grader(1, workA, ok()).grader(1, workA, ok()).in
	in.Stakes[0] = most
	_, err = Tally(in)
	require.ErrorIs(t, err, ErrOverflow)
}

// randomVerdict is any well-formed verdict.
func randomVerdict(r *rand.Rand) Verdict {
	v := Verdict{Code: verify.Code(1 + r.IntN(codes-1))}
	if v.Code.Hard() {
		v.Leaf = uint64(r.IntN(4))
	}
	return v
}

func randomInput(r *rand.Rand, graders, miners int) Input {
	in := Input{Scores: make([]uint64, miners), Accusations: r.IntN(3)}
	for m := range in.Scores {
		in.Scores[m] = Score(uint32(r.IntN(17)), 16)
	}
	for range graders {
		in.Stakes = append(in.Stakes, NewAmount(r.Uint64N(1000)))
		if r.IntN(5) == 0 {
			in.Reveals = append(in.Reveals, nil)
			continue
		}
		rev := &Reveal{Verdicts: make([]Verdict, miners)}
		for m := range rev.Verdicts {
			rev.Verdicts[m] = randomVerdict(r)
			if r.IntN(2) == 0 {
				rev.Verdicts[m] = ok()
			}
			if rev.Verdicts[m].Code == verify.OK {
				rev.Verdicts[m].Work = workA
				if r.IntN(8) == 0 {
					rev.Verdicts[m].Work = workB
				}
			}
		}
		for range in.Accusations {
			rev.Accused = append(rev.Accused, randomVerdict(r).Code)
		}
		in.Reveals = append(in.Reveals, rev)
	}
	return in
}

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestOrderOfRevealsMakesNoDifference(t *testing.T) {
	r := seeded(t)
	for range 300 {
		in := randomInput(r, 1+r.IntN(9), r.IntN(6))
		want, err := Tally(in)
		require.NoError(t, err)
		order := r.Perm(len(in.Stakes))
		shuffled := Input{Scores: in.Scores, Accusations: in.Accusations}
		for _, i := range order {
			shuffled.Stakes = append(shuffled.Stakes, in.Stakes[i])
			shuffled.Reveals = append(shuffled.Reveals, in.Reveals[i])
		}
		got, err := Tally(shuffled)
		require.NoError(t, err)
		require.Equal(t, want.Miners, got.Miners)
		require.Equal(t, want.Revealed, got.Revealed)
		require.Equal(t, want.Void, got.Void)
		require.Equal(t, want.Confirmed, got.Confirmed)
		for i, from := range order {
			require.Equal(t, want.Graders[from], got.Graders[i])
			require.Equal(t, want.Weights[from], got.Weights[i])
		}
	}
}

func TestSplittingAGraderMakesNoDifference(t *testing.T) {
	r := seeded(t)
	for range 200 {
		in := randomInput(r, 1+r.IntN(6), 1+r.IntN(5))
		want, err := Tally(in)
		require.NoError(t, err)
		i := r.IntN(len(in.Stakes))
		part := NewAmount(r.Uint64N(in.Stakes[i].Uint64() + 1))
		rest, err := Sub(in.Stakes[i], part)
		require.NoError(t, err)
		in.Stakes[i] = part
		in.Stakes = append(in.Stakes, rest)
		in.Reveals = append(in.Reveals, in.Reveals[i])
		got, err := Tally(in)
		require.NoError(t, err)
		require.Equal(t, want.Miners, got.Miners)
	}
}

// Liars with at most half of the stake can change nobody's code and make no honest work
// wrong, as long as the others hold more than half and agree, whatever the liars reveal.
func TestAudit_F44_CollusionBelowHalfMovesNothing(t *testing.T) {
	r := seeded(t)
	for range 400 {
		in := randomInput(r, 1+r.IntN(8), 1+r.IntN(6))
		sum := uint64(0)
		for i := range in.Stakes {
			sum += in.Stakes[i].Uint64()
		}
		truth := &Reveal{Verdicts: make([]Verdict, len(in.Scores)), Accused: make([]verify.Code, in.Accusations)}
		for m := range truth.Verdicts {
			truth.Verdicts[m] = randomVerdict(r)
			if c := truth.Verdicts[m].Code; c == verify.Undecided || c == verify.OK {
				truth.Verdicts[m] = Verdict{Code: verify.OK, Work: workA}
			}
		}
		for a := range truth.Accused {
			truth.Accused[a] = randomVerdict(r).Code
		}
		honest := Input{
			Scores: in.Scores, Stakes: []Amount{NewAmount(sum + 1)}, Reveals: []*Reveal{truth}, Accusations: in.Accusations,
		}
		want, err := Tally(honest)
		require.NoError(t, err)

		in.Stakes = append(in.Stakes, NewAmount(sum+1)) // more than half, by one
		in.Reveals = append(in.Reveals, truth)
		got, err := Tally(in)
		require.NoError(t, err)
		for m := range want.Miners {
			require.Equal(t, want.Miners[m].Code, got.Miners[m].Code)
		}
		last := len(got.Graders) - 1
		require.Equal(t, Counted, got.Graders[last])
		require.Equal(t, want.Weights[0], got.Weights[last])
		for a, code := range got.Confirmed {
			require.True(t, code == verify.Undecided || code == truth.Accused[a])
		}
	}
}

// Liars with at most a third of the stake can have nobody slashed whom the others
// pass, and with at most half nobody paid whom the others fail.
func TestLiarsBelowTheThresholdNeitherSlashNorPay(t *testing.T) {
	r := seeded(t)
	for range 200 {
		lie := hard(verify.Code(2+r.IntN(12)), uint64(r.IntN(3)))
		out := newWindow(16).grader(2, workA, ok()).grader(1, workA, lie).tally(t)
		require.False(t, out.Miners[0].Slashable)
		out = newWindow(16).grader(1, workA, lie).grader(1, workA, ok()).tally(t)
		require.False(t, out.Miners[0].Slashable)
		require.Equal(t, verify.Undecided, out.Miners[0].Code)
	}
}

// FuzzTally checks what must hold for any verdicts: no panic, weights in range and only
// where a grader counts, slashes only for hard failures.
func FuzzTally(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint8(2))
	f.Add(uint64(7), uint8(0), uint8(0))
	f.Add(uint64(42), uint8(9), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, graders, miners uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		in := randomInput(r, int(graders%12), int(miners%8))
		out, err := Tally(in)
		require.NoError(t, err)
		require.Len(t, out.Miners, len(in.Scores))
		require.Len(t, out.Graders, len(in.Stakes))
		require.False(t, out.Revealed.Gt(&out.Eligible))
		for m, o := range out.Miners {
			require.False(t, o.Agreeing.Gt(&out.Eligible))
			for g, row := range out.Weights {
				require.Equal(t, !out.Void && out.Graders[g].Counts(), row != nil || (len(in.Scores) == 0 && !out.Void && out.Graders[g].Counts()))
				if row != nil && row[m] > 0 {
					require.LessOrEqual(t, row[m], uint32(MaxWeight))
					require.Positive(t, in.Scores[m])
				}
			}
			if o.Slashable {
				require.True(t, o.Code.Hard())
			}
			if out.Void {
				require.Equal(t, MinerOutcome{Code: verify.Undecided}, o)
			}
		}
	})
}

func TestNamedCodesEqualVerify(t *testing.T) {
	out := newWindow(1).grader(1, workA, hard(verify.BadDistribution, 2)).tally(t)
	code, leaf := named(out, 0)
	require.Equal(t, uint32(13), code)
	require.Equal(t, uint64(2), leaf)
}

func TestTolerantModeCostsTheBondAtTheThirdFailureOnly(t *testing.T) {
	for code := verify.Unspecified; code <= verify.Undecided; code++ {
		require.Equal(t, code.Hard(), HardPenalty(false, code, 0, 3), "exact mode, %s", code)
		for failures, want := range []bool{false, false, false, true, true} {
			if !code.Hard() {
				want = false
			} else if code < verify.BadSample { // checks 1 to 7 need no model
				want = true
			}
			require.Equal(t, want, HardPenalty(true, code, uint32(failures), 3), "%s, failure %d", code, failures)
		}
		require.Equal(t, code >= 9 && code <= 13, OfModel(code), "checks 8 to 12")
	}
}

// BenchmarkTally is a full window: 1,024 miners and 128 graders that agree.
func BenchmarkTally(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	in := randomInput(r, 0, 1024)
	in.Accusations = 0
	truth := make([]Verdict, 1024)
	for m := range truth {
		truth[m] = Verdict{Code: verify.OK, Work: bytes.Clone(workA)}
		if m%10 == 0 {
			truth[m] = hard(verify.BadSample, uint64(m))
		}
	}
	for range 128 {
		in.Stakes = append(in.Stakes, NewAmount(1+r.Uint64N(1e12)))
		in.Reveals = append(in.Reveals, &Reveal{Verdicts: truth})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Tally(in); err != nil {
			b.Fatal(err)
		}
	}
}
