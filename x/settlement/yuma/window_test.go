package yuma

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/settlement/consensus"
)

// equal gives n graders a stake of 1000 each, active, with the same row.
func equal(n int, row ...uint16) []Grader {
	graders := make([]Grader, n)
	for i := range graders {
		graders[i] = Grader{Stake: consensus.NewAmount(1000), Active: true, Weights: dense(row...)}
	}
	return graders
}

func dense(row ...uint16) []Entry {
	out := make([]Entry, len(row))
	for j, w := range row {
		out[j] = Entry{uint16(j), w}
	}
	return out
}

func settle(t *testing.T, graders []Grader, miners int, p Params) Payout {
	t.Helper()
	out, err := Window(graders, miners, p)
	require.NoError(t, err)
	checkPayout(t, out)
	return out
}

func checkPayout(t *testing.T, out Payout) {
	t.Helper()
	checkShares(t, append(slices.Clone(out.Incentive), out.IncentiveRemainder))
	checkShares(t, append(slices.Clone(out.Dividends), out.DividendRemainder))
	require.Equal(t, One, sum(out.Incentive)+out.IncentiveRemainder)
	require.Equal(t, One, sum(out.Dividends)+out.DividendRemainder)
}

func FuzzWindow(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, uint8(seed), uint8(3*seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, graders, miners uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		g, p := randomGraders(r, int(graders)%24, int(miners)%24), randomParams(r)
		for range 3 {
			out := settle(t, g, int(miners)%24, p)
			for i := range g {
				g[i].Bonds = out.Bonds[i]
			}
		}
	})
}

// A window is an epoch of a network of graders, then miners, in which graders alone
// have stake and permits, and all of them revealed; but for the miners' pay.
func TestWindowIsAnEpoch(t *testing.T) {
	r := seeded(t, 6)
	for range 200 {
		graders, miners, p := 1+r.IntN(8), r.IntN(8), randomParams(r)
		n := graders + miners
		in := emptyInput(n)
		in.Block, in.Emission = 10, 1000
		g := randomGraders(r, graders, miners)
		for i := range g {
			stake := 1 + r.Uint64N(1<<50)
			g[i].Stake, g[i].Active = consensus.NewAmount(stake), true
			in.Stake[i], in.Permits[i] = stake, true
			in.Weights[i], in.Bonds[i] = shifted(g[i].Weights, graders), shifted(g[i].Bonds, graders)
		}
		for i := range n {
			in.LastUpdate[i] = 9
		}
		want, err := Epoch(in, Network{MaxValidators: n, ActivityCutoff: 100}, p)
		require.NoError(t, err)
		game, err := newWindow(g, miners, newSettings(p))
		require.NoError(t, err)
		game.majority = false
		got := game.payout()
		require.Equal(t, want.Incentive[graders:], got.Incentive)
		require.Equal(t, toU16(want.Consensus[graders:]), got.Consensus)
		require.Equal(t, want.ValidatorTrust[:graders], got.ValidatorTrust)
		if sum(want.Dividends) > 0 {
			require.Equal(t, want.Dividends[:graders], got.Dividends)
		}
		for i := range g {
			if want.Permits[i] {
				require.Equal(t, sorted(want.Bonds[i]), sorted(shifted(got.Bonds[i], graders)))
			}
		}
	}
}

func shifted(row []Entry, by int) []Entry {
	out := slices.Clone(row)
	for k := range out {
		out[k].To += uint16(by)
	}
	return out
}

func TestWithoutIncentiveGradersArePaidByActiveStake(t *testing.T) {
	g := equal(4, 0, 0)
	g[3].Active = false
	out := settle(t, g, 2, DefaultParams())
	require.Equal(t, One, out.IncentiveRemainder)
	require.Equal(t, []Fixed{One / 3, One / 3, One / 3, 0}, out.Dividends)
	require.Equal(t, Fixed(1), out.DividendRemainder)
}

func TestWithoutActiveStakeAllRemains(t *testing.T) {
	g := equal(3, 1, 2)
	for i := range g {
		g[i].Active = false
	}
	out := settle(t, g, 2, DefaultParams())
	require.Equal(t, One, out.IncentiveRemainder)
	require.Equal(t, One, out.DividendRemainder)
	out = settle(t, nil, 0, DefaultParams())
	require.Equal(t, One, out.DividendRemainder)
}

func TestStakesMayBeHuge(t *testing.T) {
	g := equal(2, 1, 1)
	g[0].Stake = consensus.Amount{0, 0, 0, 1 << 62}
	g[1].Stake = consensus.Amount{0, 0, 0, 1 << 62}
	require.Equal(t, []Fixed{half, half}, settle(t, g, 2, DefaultParams()).Dividends)
	g[0].Stake = consensus.Amount{0, 0, 0, 1 << 63}
	g[1].Stake = g[0].Stake
	_, err := Window(g, 2, DefaultParams())
	require.ErrorIs(t, err, ErrOverflow)
}

func TestWindowRefusesWhatMakesNoSense(t *testing.T) {
	g := equal(1, 1, 1)
	_, err := Window(g, 1, DefaultParams())
	require.ErrorIs(t, err, ErrColumn)
	g[0].Bonds = []Entry{{0, 1}, {0, 2}}
	_, err = Window(g, 2, DefaultParams())
	require.ErrorIs(t, err, ErrDuplicate)
	for _, miners := range []int{-1, MaxSize + 1} {
		_, err = Window(nil, miners, DefaultParams())
		require.ErrorIs(t, err, ErrSize)
	}
	_, err = Window(nil, 0, Params{AlphaLow: 1})
	require.ErrorIs(t, err, ErrParams)
}

// A bond whose weight is absent decays; under Compat and liquid alpha it vanishes, and
// decays where the weight is an explicit 0.
func TestAbsentWeightsDecayBonds(t *testing.T) {
	liquid := DefaultParams()
	liquid.LiquidAlpha = true
	compat := liquid
	compat.Compat = true
	partial := liquid
	partial.BondsPenalty = 30000
	plain := DefaultParams()
	plain.Compat = true
	for _, c := range []struct {
		name   string
		params Params
		row    []Entry
		decays bool
	}{
		{"default", DefaultParams(), []Entry{{0, 65535}}, true},
		{"compat, plain", plain, []Entry{{0, 65535}}, true},
		{"liquid", liquid, []Entry{{0, 65535}}, true},
		{"liquid, penalty between", partial, []Entry{{0, 65535}}, true},
		{"liquid, compat", compat, []Entry{{0, 65535}}, false},
		{"liquid, compat, explicit zero", compat, []Entry{{0, 65535}, {1, 0}}, true},
	} {
		g := equal(3)
		for i := range g {
			g[i].Weights, g[i].Bonds = c.row, []Entry{{1, 50000}}
		}
		bond := uint16(0)
		for _, e := range settle(t, g, 2, c.params).Bonds[0] {
			if e.To == 1 {
				bond = e.Value
			}
		}
		if !c.decays {
			require.Zero(t, bond, c.name)
			continue
		}
		require.Positive(t, bond, c.name)
		require.Less(t, bond, uint16(50000), c.name)
	}
}

// A grader that did not reveal keeps its bonds for a while and earns nothing.
func TestAnAbsentGraderEarnsNothingAndItsBondsDecay(t *testing.T) {
	g := equal(4, 1, 1)
	g[3].Active, g[3].Bonds = false, dense(60000, 60000)
	out := settle(t, g, 2, DefaultParams())
	require.Zero(t, out.Dividends[3])
	require.Equal(t, dense(53999, 53999), out.Bonds[3])
}

// With the symmetric clip a grader that gives a miner nothing has a bond to it as if it
// had given what is just within the slack; one that judges nobody has none.
func TestSymmetricClipRaisesBondsOfUnderweighted(t *testing.T) {
	p := DefaultParams()
	g := equal(5, 1, 1)
	g[3].Weights = []Entry{{0, 1}}
	g[4].Weights = nil
	plain := settle(t, g, 2, p)
	require.Len(t, plain.Bonds[3], 1)

	p.SymmetricClip, p.ClipSlack = true, 65535/4
	clipped := settle(t, g, 2, p)
	require.Equal(t, plain.Incentive, clipped.Incentive)
	require.Equal(t, plain.Bonds[0], clipped.Bonds[0])
	require.Len(t, clipped.Bonds[3], 2)
	require.InDelta(t, 0.1*65535/4, clipped.Bonds[3][1].Value, 2)
	require.Empty(t, clipped.Bonds[4])
}

// Splitting a miner into two cannot pay: where graders agree on how its work divides,
// the parts earn together what the whole earned, but for the rounding of each sum.
func TestAudit_F43_SplittingAMinerDoesNotPay(t *testing.T) {
	r := seeded(t, 7)
	for range 300 {
		graders, miners := 1+r.IntN(16), 1+r.IntN(16)
		a, b := 1+uint16(r.IntN(20)), uint16(r.IntN(20))
		whole := randomGraders(r, graders, miners)
		parts := slices.Clone(whole)
		split := uint16(r.IntN(miners))
		for i := range whole {
			for k := range whole[i].Weights {
				whole[i].Weights[k].Value = whole[i].Weights[k].Value / 40 * (a + b)
			}
			parts[i].Weights = splitRow(whole[i].Weights, split, uint16(miners), a, b)
		}
		p := DefaultParams()
		before, after := settle(t, whole, miners, p), settle(t, parts, miners+1, p)
		require.LessOrEqual(t, after.Incentive[split]+after.Incentive[miners], before.Incentive[split]+Fixed(4*graders))
		for j, earned := range before.Incentive { // and nobody else loses by it
			if j != int(split) {
				require.InDelta(t, int64(earned), int64(after.Incentive[j]), float64(4*graders))
			}
		}
	}
}

// splitRow divides the weight of a column by a to b between it and a new one.
func splitRow(row []Entry, column, to, a, b uint16) []Entry {
	var out []Entry
	for _, e := range row {
		if e.To == column {
			unit := e.Value / (a + b)
			out = append(out, Entry{to, unit * b})
			e.Value = unit * a
		}
		out = append(out, e)
	}
	return out
}

// Where graders with more than half of the stake agree, miners are paid what these say,
// whatever the others do: give a rival less, give a friend more, or stay away.
func TestAMinorityCannotTakeFromAMinerWhatItIsDue(t *testing.T) {
	r := seeded(t, 11)
	for range 300 {
		miners := 2 + r.IntN(6)
		agreed := make([]Entry, miners)
		for j := range agreed {
			agreed[j] = Entry{uint16(j), uint16(1 + r.IntN(65535))}
		}
		honest := func(stake uint64) Grader {
			return Grader{Stake: consensus.NewAmount(stake), Active: true, Weights: agreed}
		}
		alone := settle(t, []Grader{honest(100)}, miners, DefaultParams())
		graders := []Grader{honest(30), honest(21)}
		for _, stake := range []uint64{20, 29} {
			liar := Grader{Stake: consensus.NewAmount(stake), Active: r.IntN(4) > 0}
			for j := range miners {
				liar.Weights = append(liar.Weights, Entry{uint16(j), uint16(r.IntN(65536) * r.IntN(2))})
			}
			graders = append(graders, liar)
		}
		got := settle(t, graders, miners, DefaultParams())
		require.Equal(t, alone.Incentive, got.Incentive)
		for _, g := range []int{2, 3} { // and to differ does not pay
			require.LessOrEqual(t, uint64(got.Dividends[g])*51, uint64(got.Dividends[0]+got.Dividends[1])*graders[g].Stake.Uint64()+51)
		}
	}
}

// A coalition of less than half of the eligible stake cannot raise a miner's weight
// above what the honest graders say, whoever of them is absent; and as long as the
// honest hold more than half and all reveal, it cannot lower it either.
func TestAudit_F44_ACoalitionCannotRaiseAMiner(t *testing.T) {
	r := seeded(t, 8)
	for range 300 {
		miners := 1 + r.IntN(16)
		honest, liars := 1+r.IntN(10), r.IntN(10)
		opinion := make([]uint16, miners)
		for j := range opinion {
			opinion[j] = uint16(r.Uint32() >> r.IntN(17))
		}
		graders := equal(honest+liars, opinion...)
		for i := range liars {
			// Together less than honest * 1000.
			graders[honest+i] = Grader{
				Stake: consensus.NewAmount(uint64(honest) * 1000 / uint64(liars+1)), Active: true, Weights: randomRow(r, miners),
			}
		}
		alone := settle(t, equal(honest, opinion...), miners, DefaultParams())
		all := settle(t, graders, miners, DefaultParams())
		require.Equal(t, alone.Consensus, all.Consensus)

		for i := range r.IntN(honest + 1) {
			graders[i].Active = false
		}
		some := settle(t, graders, miners, DefaultParams())
		for j := range miners {
			require.LessOrEqual(t, some.Consensus[j], alone.Consensus[j])
			if opinion[j] == 0 {
				require.Zero(t, some.Incentive[j])
			}
		}
	}
}

// Honest graders that differ a little are still a bound from above.
func TestAudit_F44_NoWeightAboveTheHighestHonestOne(t *testing.T) {
	r := seeded(t, 9)
	for range 200 {
		miners, honest := 1+r.IntN(16), 2+r.IntN(9)
		graders := randomGraders(r, 2*honest-1, miners) // honest ones first
		for i := range graders {
			graders[i].Stake, graders[i].Active = consensus.NewAmount(1000), true
		}
		highest := make([]uint16, miners)
		for i := range honest {
			out := settle(t, equalRows(graders[i].Weights), miners, DefaultParams())
			for j := range miners {
				highest[j] = max(highest[j], out.Consensus[j])
			}
		}
		for j, w := range settle(t, graders, miners, DefaultParams()).Consensus {
			require.LessOrEqual(t, w, highest[j])
		}
	}
}

// equalRows is a single grader with this row: its consensus is the row, normalized.
func equalRows(row []Entry) []Grader {
	g := equal(1)
	g[0].Weights = row
	return g
}
