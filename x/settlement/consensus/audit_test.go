package consensus

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
)

func must(t testing.TB, a Amount, err error) Amount {
	t.Helper()
	require.NoError(t, err)
	return a
}

// sum of amounts.
func sum(t testing.TB, all ...Amount) (out Amount) {
	t.Helper()
	for _, a := range all {
		s, err := Add(out, a)
		out = must(t, s, err)
	}
	return out
}

// extremes of amounts: nothing, single units, the whole supply, and what no supply reaches.
func extremes() []Amount {
	var out []Amount
	for _, x := range []uint64{0, 1, 2, 3, 999_999, 1_000_000, 1_000_001, math.MaxUint32, math.MaxUint64} {
		out = append(out, NewAmount(x))
	}
	gal := NewAmount(1_000_000_000_000_000_000)
	supply, _ := Mul(gal, NewAmount(21_000_000))
	return append(out, gal, supply)
}

// Whatever is minted, by whatever rates and shares: what is paid and what is left over is
// what was minted, to the last unit.
func TestAudit_D23_PaidAndRemainderAreWhatWasMinted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, minted := range extremes() {
		for _, rates := range []Rates{
			{}, {Million, 0, 0, 0}, {0, 0, 0, Million}, {1, 1, 1, 1}, {410_000, 410_000, 80_000, 100_000}, {333_333, 333_333, 333_333, 1},
		} {
			p, err := Split(minted, rates)
			require.NoError(t, err)
			require.Equal(t, minted, sum(t, p.Miners, p.Graders, p.Learner, p.Validators, p.Pool))
			// The miners' part by shares that are any numbers up to the whole.
			whole, left := NewAmount(1<<32), p.Miners
			rest := uint64(1 << 32)
			for rest > 0 {
				part := min(rest, 1+r.Uint64N(1<<(1+r.IntN(32))))
				rest -= part
				share, err := Share(p.Miners, NewAmount(part), whole)
				left, err = Sub(left, must(t, share, err))
				require.NoError(t, err, "more was paid than there was")
			}
			require.True(t, left.Lt(ptr(NewAmount(1<<33))), "and what is left over is less than a unit a share")
		}
	}
	_, err := Split(NewAmount(1), Rates{Million, 1, 0, 0})
	require.ErrorIs(t, err, ErrRange)
}

func ptr(a Amount) *Amount { return &a }

func must2(t testing.TB) func(Amount, error) Amount {
	return func(a Amount, err error) Amount { return must(t, a, err) }
}

// All zeros, all the largest, one alone, none at all.
func TestAudit_D25_ExtremesOfScoresAreTallied(t *testing.T) {
	for name, scores := range map[string][]uint64{
		"none": {}, "one of zero": {0}, "one": {1}, "the largest": {math.MaxUint64}, "zeros": {0, 0, 0},
		"the largest everywhere": {math.MaxUint64, math.MaxUint64}, "both ends": {0, math.MaxUint64, 1},
	} {
		weights := NormalizeWeights(scores)
		require.Len(t, weights, len(scores), name)
		for i, w := range weights {
			require.LessOrEqual(t, w, uint32(MaxWeight), name)
			require.Equal(t, scores[i] == 0 || w == 0, w == 0, name)
		}
		w := newWindow(scores...)
		var verdicts []Verdict
		for range scores {
			verdicts = append(verdicts, Verdict{Code: verify.OK})
		}
		if len(verdicts) == 0 {
			w.in.Stakes, w.in.Reveals = []Amount{NewAmount(5)}, []*Reveal{{}}
		} else {
			w.grader(5, workA, verdicts...)
		}
		out, err := Tally(w.in)
		require.NoError(t, err, name)
		require.False(t, out.Void, name)
		require.Equal(t, weights, out.Weights[0], name)
	}
	w := newWindow(1)
	w.in.Stakes, w.in.Reveals = []Amount{{}}, []*Reveal{nil}
	out, err := Tally(w.in)
	require.NoError(t, err)
	require.True(t, out.Void, "no stake at all is no majority")
}

// FuzzSettling is one miner's arithmetic: whatever was locked and whatever the rates, a
// slash burns no more than there is, a share is no more than the whole, and the means stay
// between what they are means of.
func FuzzSettling(f *testing.F) {
	f.Add(uint64(16_000), uint32(100_000), uint64(7), uint64(1<<31), uint64(3))
	f.Add(uint64(math.MaxUint64), uint32(Million), uint64(math.MaxUint64), uint64(1<<32), uint64(0))
	f.Fuzz(func(t *testing.T, locked uint64, ppm uint32, mean, incentive, groups uint64) {
		ppm %= Million + 1
		bond := NewAmount(locked)
		burned := must2(t)(SharePPM(bond, ppm))
		rest := must2(t)(Sub(bond, burned))
		require.Equal(t, bond, sum(t, burned, rest))
		again := must2(t)(SharePPM(rest, ppm))
		require.False(t, again.Gt(&rest))

		incentive %= 1<<32 + 1
		paid := must2(t)(Share(bond, NewAmount(incentive), NewAmount(1<<32)))
		require.False(t, paid.Gt(&bond))

		next := must2(t)(MeanPay(NewAmount(mean), paid, groups))
		if groups == 0 {
			require.Equal(t, NewAmount(mean), next)
		} else {
			low, high := NewAmount(mean), must2(t)(Share(paid, NewAmount(1), NewAmount(groups)))
			if mean == 0 {
				low = high // the first one sets it
			}
			if low.Gt(&high) {
				low, high = high, low
			}
			require.False(t, next.Gt(&high))
			up := must2(t)(Add(next, NewAmount(1)))
			require.False(t, up.Lt(&low), "floors lose less than a unit")
		}
		mean %= 1_000_000_001
		score := MeanScore(mean, incentive)
		require.LessOrEqual(t, score, max(mean, incentive))
	})
}
