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
	w.in.Reveals = append(w.in.Reveals, &Reveal{Verdicts: verdicts, Work: work})
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
			require.Zero(t, out.Miners[0].Weight)
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
		name   string
		yes    uint64
		weight uint32
	}{{"exactly half", 100, 0}, {"one more", 101, MaxWeight}, {"one less", 99, 0}} {
		t.Run(c.name, func(t *testing.T) {
			out := newWindow(16).
				grader(c.yes, workA, ok()).
				grader(200-c.yes, workA, hard(verify.BadReward, 0)).tally(t)
			require.Equal(t, c.weight, out.Miners[0].Weight)
			require.Equal(t, c.yes > 100, out.Miners[0].Code == verify.OK)
		})
	}
}

func TestWindowIsVoidUnlessMoreThanHalfReveals(t *testing.T) {
	out := newWindow(16).grader(100, workA, ok()).grader(100, nil).tally(t)
	require.True(t, out.Void, "exactly half")
	require.Equal(t, verify.Undecided, out.Miners[0].Code)
	require.Zero(t, out.Miners[0].Weight)

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
	require.Equal(t, workA, out.Work)
	require.Equal(t, verify.BadSample, out.Miners[1].Code)
	require.False(t, out.Miners[1].Slashable, "the lazy grader's stake still counts in the total")
}

func TestWithoutWorkMajorityNobodyIsWrong(t *testing.T) {
	out := newWindow(16).grader(50, workA, ok()).grader(50, workB, ok()).tally(t)
	require.Equal(t, []Standing{Counted, Counted}, out.Graders)
	require.False(t, out.HasWork)
	require.Equal(t, verify.OK, out.Miners[0].Code)
}

// A grader that a miner did not serve has another work root through no fault of its own.
func TestGraderThatWasNotServedIsExcused(t *testing.T) {
	out := newWindow(16, 16).
		grader(60, workA, ok(), ok()).
		grader(20, workB, ok(), abstain(verify.Unavailable)).
		grader(20, workB, ok(), ok()).tally(t)
	require.Equal(t, []Standing{Counted, Excused, WrongWork}, out.Graders)

	// The other way round: the majority was not served, the minority was.
	out = newWindow(16, 16).
		grader(60, workA, ok(), abstain(verify.Unavailable)).
		grader(40, workB, ok(), ok()).tally(t)
	require.Equal(t, []Standing{Counted, Excused}, out.Graders)
	require.Equal(t, verify.Unavailable, out.Miners[1].Code)
}

func TestAbstentionsTakeTheConsensusValue(t *testing.T) {
	// Miner 0 is the best one. A grader that abstained on it must not give the others
	// more than those that did not.
	out := newWindow(16, 8).
		grader(60, workA, ok(), ok()).
		grader(40, workA, abstain(verify.Undecided), ok()).tally(t)
	require.Equal(t, uint32(MaxWeight), out.Miners[0].Weight)
	require.Equal(t, uint32(MaxWeight/2), out.Miners[1].Weight)

	// A grader that abstained on miner 0 supports the weight that the miner has in its
	// row then, so that a liar who passes the better miner 1 cannot halve it.
	out = newWindow(16, 32).
		grader(26, workA, ok(), hard(verify.BadReward, 0)).
		grader(26, workA, ok(), ok()).
		grader(48, workA, abstain(verify.Undecided), hard(verify.BadReward, 0)).tally(t)
	require.Equal(t, uint32(MaxWeight), out.Miners[0].Weight)

	// An abstention is no vote: 40 of 100 are not more than half.
	out = newWindow(16).
		grader(40, workA, ok()).
		grader(60, workA, abstain(verify.Undecided)).tally(t)
	require.Equal(t, verify.Undecided, out.Miners[0].Code)
	require.Zero(t, out.Miners[0].Weight)
	require.False(t, out.Miners[0].Agreeing.IsZero(), "more than half said undecided")
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
	}
	most := Amount{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}
	in := newWindow(1).grader(1, workA, ok()).grader(1, workA, ok()).in
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
	in := Input{Scores: make([]uint64, miners)}
	for m := range in.Scores {
		in.Scores[m] = Score(uint32(r.IntN(17)), 16)
	}
	for range graders {
		in.Stakes = append(in.Stakes, NewAmount(r.Uint64N(1000)))
		if r.IntN(5) == 0 {
			in.Reveals = append(in.Reveals, nil)
			continue
		}
		rev := &Reveal{Work: workA, Verdicts: make([]Verdict, miners)}
		if r.IntN(4) == 0 {
			rev.Work = workB
		}
		for m := range rev.Verdicts {
			rev.Verdicts[m] = randomVerdict(r)
			if r.IntN(2) == 0 {
				rev.Verdicts[m] = ok()
			}
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
		shuffled := Input{Scores: in.Scores}
		for _, i := range order {
			shuffled.Stakes = append(shuffled.Stakes, in.Stakes[i])
			shuffled.Reveals = append(shuffled.Reveals, in.Reveals[i])
		}
		got, err := Tally(shuffled)
		require.NoError(t, err)
		require.Equal(t, want.Miners, got.Miners)
		require.Equal(t, want.Revealed, got.Revealed)
		require.Equal(t, want.Void, got.Void)
		for i, from := range order {
			require.Equal(t, want.Graders[from], got.Graders[i])
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

// Liars with at most half of the stake can move nobody's verdict or weight, as long as
// the others hold more than half and agree, whatever the liars reveal.
func TestLiarsBelowHalfMoveNothing(t *testing.T) {
	r := seeded(t)
	for range 400 {
		in := randomInput(r, 1+r.IntN(8), 1+r.IntN(6))
		sum := uint64(0)
		for i := range in.Stakes {
			sum += in.Stakes[i].Uint64()
		}
		truth := &Reveal{Work: workA, Verdicts: make([]Verdict, len(in.Scores))}
		for m := range truth.Verdicts {
			truth.Verdicts[m] = randomVerdict(r)
			if truth.Verdicts[m].Code == verify.Undecided {
				truth.Verdicts[m] = ok()
			}
		}
		honest := Input{
			Scores: in.Scores, Stakes: []Amount{NewAmount(sum + 1)}, Reveals: []*Reveal{truth},
		}
		want, err := Tally(honest)
		require.NoError(t, err)

		in.Stakes = append(in.Stakes, NewAmount(sum+1)) // more than half, by one
		in.Reveals = append(in.Reveals, truth)
		got, err := Tally(in)
		require.NoError(t, err)
		for m := range want.Miners {
			require.Equal(t, want.Miners[m].Code, got.Miners[m].Code)
			require.Equal(t, want.Miners[m].Weight, got.Miners[m].Weight)
		}
		require.Equal(t, Counted, got.Graders[len(got.Graders)-1])
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
		require.Zero(t, out.Miners[0].Weight)
	}
}

// FuzzTally checks what must hold for any verdicts: no panic, weights in range and only
// for ok, slashes only for hard failures.
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
			require.LessOrEqual(t, o.Weight, uint32(MaxWeight))
			require.False(t, o.Agreeing.Gt(&out.Eligible))
			if o.Weight > 0 {
				require.Equal(t, verify.OK, o.Code)
				require.Positive(t, in.Scores[m])
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

func TestMedianIsTheLargestWeightWithMoreThanHalf(t *testing.T) {
	votes := []vote{{10, NewAmount(40)}, {30, NewAmount(20)}, {20, NewAmount(40)}}
	require.Equal(t, uint32(20), supported(votes, NewAmount(100)), "60 of 100 give at least 20")
	require.Equal(t, uint32(0), supported(nil, NewAmount(100)))
	require.Equal(t, uint32(0), supported([]vote{{9, NewAmount(50)}}, NewAmount(100)), "exactly half")
	require.Equal(t, uint32(9), supported([]vote{{9, NewAmount(51)}}, NewAmount(100)))
	// By definition, against a slow search.
	r := seeded(t)
	for range 300 {
		var votes []vote
		total := uint64(0)
		for range r.IntN(7) {
			s := r.Uint64N(50)
			votes = append(votes, vote{uint32(r.IntN(6)), NewAmount(s)})
			total += s
		}
		total += r.Uint64N(60) // of graders that are absent
		want := uint32(0)
		for w := uint32(1); w < 6; w++ {
			sum := uint64(0)
			for _, v := range votes {
				if v.weight >= w {
					sum += v.stake.Uint64()
				}
			}
			if 2*sum > total {
				want = w
			}
		}
		require.Equal(t, want, supported(votes, NewAmount(total)))
	}
}

func TestNamedCodesEqualVerify(t *testing.T) {
	out := newWindow(1).grader(1, workA, hard(verify.BadDistribution, 2)).tally(t)
	code, leaf := named(out, 0)
	require.Equal(t, uint32(13), code)
	require.Equal(t, uint64(2), leaf)
}

// BenchmarkTally is a full window: 1,000 miners and 50 graders that agree.
func BenchmarkTally(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	in := randomInput(r, 0, 1000)
	truth := make([]Verdict, 1000)
	for m := range truth {
		truth[m] = ok()
		if m%10 == 0 {
			truth[m] = hard(verify.BadSample, uint64(m))
		}
	}
	for range 50 {
		in.Stakes = append(in.Stakes, NewAmount(1+r.Uint64N(1e12)))
		in.Reveals = append(in.Reveals, &Reveal{Work: workA, Verdicts: truth})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Tally(in); err != nil {
			b.Fatal(err)
		}
	}
}
