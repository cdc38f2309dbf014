package yuma

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/verify"
	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// most is 2^256-1.
var most = consensus.Amount{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}

// shareOut pays floor(part*share/One) for each share, as settlement does, and returns
// what is left of part.
func shareOut(t *testing.T, part consensus.Amount, shares []Fixed) consensus.Amount {
	t.Helper()
	rest := part
	for _, s := range shares {
		paid, err := consensus.Share(part, consensus.NewAmount(uint64(s)), consensus.NewAmount(uint64(One)))
		require.NoError(t, err)
		rest, err = consensus.Sub(rest, paid)
		require.NoError(t, err, "more was paid than there is")
	}
	return rest
}

// From the emission to the last miner: no share that anyone can bring about makes or
// loses a coin, and what is left over is rounding alone.
func TestAudit_D23_EveryShareAndTheRemainderAreTheWhole(t *testing.T) {
	thirds, uneven := equal(3, 1, 1, 1), equal(3, 65535, 1, 0, 32767, 2)
	thirds[1].Weights, thirds[2].Weights = dense(1, 0, 2), dense(0, 65535, 1)
	uneven[0].Stake, uneven[1].Stake, uneven[2].Stake = consensus.NewAmount(1), consensus.Amount{0, 0, 0, 1 << 62}, consensus.NewAmount(math.MaxUint64)
	many := make([]uint16, 1021)
	for j := range many {
		many[j] = uint16(1 + 61*j)
	}
	for name, c := range map[string]struct {
		graders []Grader
		miners  int
	}{
		"nobody":               {nil, 0},
		"no miner":             {equal(3), 0},
		"no grader":            {nil, 3},
		"no weight":            {equal(3, 0, 0), 2},
		"one of one":           {equal(1, 1), 1},
		"thirds that disagree": {thirds, 3},
		"uneven":               {uneven, 5},
		"all alike":            {equal(7, 1, 1, 1, 1, 1, 1, 1), 7},
		"many":                 {equal(64, many...), len(many)},
	} {
		out := settle(t, c.graders, c.miners, DefaultParams())
		for _, minted := range []consensus.Amount{
			{}, consensus.NewAmount(1), consensus.NewAmount(2), consensus.NewAmount(999_999), consensus.NewAmount(1_000_001),
			consensus.NewAmount(1e18 + 7), consensus.NewAmount(math.MaxUint64), {1, 0, 1}, {math.MaxUint64, 0, 0, 1 << 63}, most,
		} {
			for _, r := range []consensus.Rates{
				{}, {Miners: 1_000_000}, {Validators: 1_000_000}, {Miners: 1, Graders: 1, Learner: 1, Validators: 1},
				{Miners: 333_333, Graders: 333_333, Learner: 333_333, Validators: 1}, {Miners: 999_997, Graders: 1, Learner: 1, Validators: 1},
				{Miners: 410_000, Graders: 410_000, Learner: 80_000, Validators: 100_000},
			} {
				p, err := consensus.Split(minted, r)
				require.NoError(t, err)
				var all consensus.Amount
				for _, part := range []consensus.Amount{p.Miners, p.Graders, p.Learner, p.Validators, p.Pool} {
					all, err = consensus.Add(all, part)
					require.NoError(t, err)
				}
				require.Equal(t, minted, all, "%s: %v of %s", name, r, minted.Dec())

				for _, x := range []struct {
					part      consensus.Amount
					shares    []Fixed
					remainder Fixed
				}{{p.Miners, out.Incentive, out.IncentiveRemainder}, {p.Graders, out.Dividends, out.DividendRemainder}} {
					rest := shareOut(t, x.part, x.shares)
					// Of each share less than one coin, beside what was nobody's share.
					slack, err := consensus.Share(x.part, consensus.NewAmount(uint64(x.remainder)), consensus.NewAmount(uint64(One)))
					require.NoError(t, err)
					require.False(t, slack.Gt(&rest), "%s: %s left of %s", name, rest.Dec(), x.part.Dec())
					gap, err := consensus.Sub(rest, slack)
					require.NoError(t, err)
					require.LessOrEqual(t, gap.Uint64(), uint64(len(x.shares)))
					require.True(t, gap.IsUint64())
				}
			}
		}
	}
}

// Whatever scores and stakes there are, a window is VOID, or the graders' weights come
// to shares that add up to one but for rounding, or nobody has any.
func TestAudit_D25_ExtremesOfScoresLeaveAValidState(t *testing.T) {
	const huge = uint64(math.MaxUint64)
	fill := func(n int, score uint64) []uint64 {
		out := make([]uint64, n)
		for i := range out {
			out[i] = score
		}
		return out
	}
	lone := fill(512, 0)
	lone[300] = 1
	giant := fill(512, 1)
	giant[7] = huge
	for name, c := range map[string]struct {
		scores []uint64
		earns  bool // somebody has a share
	}{
		"no miner":                    {nil, false},
		"a single zero":               {fill(1, 0), false},
		"a single one":                {fill(1, 1), true},
		"a single largest":            {fill(1, huge), true},
		"all zero":                    {fill(512, 0), false},
		"all one":                     {fill(512, 1), true},
		"all largest":                 {fill(512, huge), true},
		"a one among zeros":           {lone, true},
		"a giant among ones":          {giant, true},
		"largest and one less":        {[]uint64{huge, huge - 1}, true},
		"a negative number's pattern": {[]uint64{1 << 63, 1<<63 - 1, huge, 0}, true},
		"the pattern of a NaN":        {[]uint64{0x7ff8000000000001, 0xfff0000000000000, 1}, true},
		"of no declared group":        {[]uint64{consensus.Score(1, 0), consensus.Score(math.MaxUint32, 1), consensus.Score(0, math.MaxUint32)}, false},
		"of most groups":              {[]uint64{consensus.Score(math.MaxUint32, math.MaxUint32), consensus.Score(1, 1)}, true},
	} {
		for what, stakes := range map[string][]consensus.Amount{
			"no grader":       nil,
			"no stake":        {{}, {}},
			"one coin":        {consensus.NewAmount(1)},
			"one coin of all": {consensus.NewAmount(1), most},
			"a zero beside":   {{}, most},
			"halves":          {consensus.NewAmount(1 << 63), consensus.NewAmount(1 << 63)},
		} {
			in := consensus.Input{Scores: c.scores, Stakes: stakes}
			for range stakes {
				r := &consensus.Reveal{Verdicts: make([]consensus.Verdict, len(c.scores))}
				for m := range r.Verdicts {
					r.Verdicts[m] = consensus.Verdict{Code: verify.OK, Work: bytes.Repeat([]byte{1}, 32)}
				}
				in.Reveals = append(in.Reveals, r)
			}
			tally, err := consensus.Tally(in)
			if what == "one coin of all" {
				require.ErrorIs(t, err, consensus.ErrOverflow, name)
				continue
			}
			require.NoError(t, err, "%s, %s", name, what)
			require.Equal(t, what == "no grader" || what == "no stake", tally.Void, "%s, %s", name, what)
			if tally.Void {
				continue
			}
			graders := make([]Grader, len(stakes))
			for g := range graders {
				row := make([]uint16, len(c.scores))
				for m, w := range tally.Weights[g] {
					require.LessOrEqual(t, w, uint32(consensus.MaxWeight))
					row[m] = uint16(w)
				}
				graders[g] = Grader{Stake: stakes[g], Active: true, Weights: dense(row...)}
			}
			out := settle(t, graders, len(c.scores), DefaultParams())
			switch {
			case !c.earns:
				require.Equal(t, One, out.IncentiveRemainder, "%s, %s", name, what)
			default:
				require.LessOrEqual(t, out.IncentiveRemainder, Fixed(len(c.scores)), "%s, %s: incentives add up to one", name, what)
			}
			require.LessOrEqual(t, out.DividendRemainder, Fixed(len(stakes)), "%s, %s: dividends add up to one", name, what)
		}
	}
}
