package yuma

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzEpoch draws an epoch from the seed: none panics, no share is more than it can be,
// and no coin is lost or made.
func FuzzEpoch(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		in, net, p := randomInput(r, int(n)%48), randomNetwork(r, int(n)%48), randomParams(r)
		for range 3 {
			out, err := Epoch(in, net, p)
			require.NoError(t, err)
			checkOutput(t, in, out)
			in.Permits, in.Bonds = out.Permits, out.Bonds
			in.Block++
		}
	})
}

func checkOutput(t *testing.T, in Input, out Output) {
	for _, v := range [][]Fixed{out.Stake, out.ActiveStake, out.Incentive, out.Dividends} {
		checkShares(t, v)
	}
	for i := range in.Stake {
		require.True(t, out.Consensus[i] >= 0 && out.Consensus[i] <= One)
		require.True(t, out.ValidatorTrust[i] >= 0 && out.ValidatorTrust[i] <= One)
		require.LessOrEqual(t, out.Server[i]+out.Validator[i], out.Emission[i])
		require.True(t, slices.IsSortedFunc(out.Bonds[i], func(a, b Entry) int { return int(a.To) - int(b.To) }))
	}
	paid, parts := out.Remainder, out.PartsRemainder
	for i := range out.Emission {
		paid += out.Emission[i]
		parts += out.Server[i] + out.Validator[i]
	}
	require.Equal(t, in.Emission, paid)
	require.Equal(t, in.Emission, parts)
	require.LessOrEqual(t, out.Remainder, out.PartsRemainder)
}

// checkShares: no share is negative, and together they are at most One.
func checkShares(t *testing.T, v []Fixed) {
	total := uint64(0)
	for _, x := range v {
		require.GreaterOrEqual(t, x, Fixed(0))
		total += uint64(x)
	}
	require.LessOrEqual(t, total, uint64(One))
}

func TestEpochLeavesItsInputAndForgetsNothingButOrder(t *testing.T) {
	r := seeded(t, 2)
	for range 100 {
		n := 1 + r.IntN(16)
		in, net, p := randomInput(r, n), randomNetwork(r, n), randomParams(r)
		before := copyInput(in)
		want, err := Epoch(in, net, p)
		require.NoError(t, err)
		require.Equal(t, before, in)
		for i := range n {
			shuffle(r, in.Weights[i])
			shuffle(r, in.Bonds[i])
		}
		got, err := Epoch(in, net, p)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func shuffle[T any](r *rand.Rand, v []T) {
	r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
}

func copyInput(in Input) Input {
	in.Weights, in.Bonds = copyRows(in.Weights), copyRows(in.Bonds)
	in.Stake, in.LastUpdate, in.Registered = slices.Clone(in.Stake), slices.Clone(in.LastUpdate), slices.Clone(in.Registered)
	in.CommitBlocks, in.Permits = slices.Clone(in.CommitBlocks), slices.Clone(in.Permits)
	return in
}

func copyRows(rows [][]Entry) [][]Entry {
	out := make([][]Entry, len(rows))
	for i, row := range rows {
		out[i] = slices.Clone(row)
	}
	return out
}

// moved puts v[i] at to[i].
func moved[T any](v []T, to []int) []T {
	if v == nil {
		return nil
	}
	out := make([]T, len(v))
	for i, x := range v {
		out[to[i]] = x
	}
	return out
}

// movedRows renames rows and columns.
func movedRows(rows [][]Entry, to []int) [][]Entry {
	out := moved(copyRows(rows), to)
	for _, row := range out {
		for k := range row {
			row[k].To = uint16(to[row[k].To])
		}
		slices.SortFunc(row, func(a, b Entry) int { return int(a.To) - int(b.To) })
	}
	return out
}

func TestPermutingUidsPermutesOutputs(t *testing.T) {
	r := seeded(t, 3)
	for range 200 {
		n := 1 + r.IntN(16)
		in, net, p := randomInput(r, n), randomNetwork(r, n), randomParams(r)
		for i := range in.Stake {
			in.Stake[i] = in.Stake[i]<<8 | uint64(i) // no ties: of equal stakes the higher uid gets the permit
		}
		net.MaxValidators = n // and stakes that differ by less than a share tie
		want, err := Epoch(in, net, p)
		require.NoError(t, err)

		to := r.Perm(n)
		in.Stake, in.LastUpdate, in.Registered = moved(in.Stake, to), moved(in.LastUpdate, to), moved(in.Registered, to)
		in.CommitBlocks, in.Permits = moved(in.CommitBlocks, to), moved(in.Permits, to)
		in.Weights, in.Bonds = movedRows(in.Weights, to), movedRows(in.Bonds, to)
		if net.Owner != nil {
			owner := uint16(to[*net.Owner])
			net.Owner = &owner
		}
		got, err := Epoch(in, net, p)
		require.NoError(t, err)
		require.Equal(t, Output{
			Active: moved(want.Active, to), Permits: moved(want.Permits, to),
			Stake: moved(want.Stake, to), ActiveStake: moved(want.ActiveStake, to),
			Consensus: moved(want.Consensus, to), ValidatorTrust: moved(want.ValidatorTrust, to),
			Incentive: moved(want.Incentive, to), Dividends: moved(want.Dividends, to), Bonds: movedRows(want.Bonds, to),
			Emission: moved(want.Emission, to), Server: moved(want.Server, to), Validator: moved(want.Validator, to),
			Remainder: want.Remainder, PartsRemainder: want.PartsRemainder,
		}, got)
	}
}

func TestScalingAllStakesChangesNothing(t *testing.T) {
	r := seeded(t, 4)
	for range 200 {
		n := 1 + r.IntN(16)
		in, net, p := randomInput(r, n), randomNetwork(r, n), randomParams(r)
		want, err := Epoch(in, net, p)
		require.NoError(t, err)
		by := 1 + r.Uint64N(1000)
		net.StakeThreshold *= by
		for i := range in.Stake {
			in.Stake[i] *= by
		}
		got, err := Epoch(in, net, p)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestEpochRefusesWhatMakesNoSense(t *testing.T) {
	r := seeded(t, 5)
	owner := uint16(3)
	for name, c := range map[string]struct {
		want  error
		spoil func(*Input, *Network, *Params)
	}{
		"a row too few":        {ErrShape, func(in *Input, _ *Network, _ *Params) { in.Weights = in.Weights[1:] }},
		"commits of others":    {ErrShape, func(in *Input, _ *Network, _ *Params) { in.CommitBlocks = []uint64{1} }},
		"no such uid":          {ErrColumn, func(in *Input, _ *Network, _ *Params) { in.Weights[0] = []Entry{{3, 1}} }},
		"bond to no uid":       {ErrColumn, func(in *Input, _ *Network, _ *Params) { in.Bonds[0] = []Entry{{3, 1}} }},
		"no such owner":        {ErrColumn, func(_ *Input, net *Network, _ *Params) { net.Owner = &owner }},
		"a weight twice":       {ErrDuplicate, func(in *Input, _ *Network, _ *Params) { in.Weights[1] = []Entry{{2, 1}, {0, 1}, {2, 1}} }},
		"a bond twice":         {ErrDuplicate, func(in *Input, _ *Network, _ *Params) { in.Bonds[1] = []Entry{{2, 1}, {2, 1}} }},
		"too much stake":       {ErrOverflow, func(in *Input, _ *Network, _ *Params) { in.Stake[1], in.Stake[2] = 1<<62, 1<<62 }},
		"one stake too large":  {ErrOverflow, func(in *Input, _ *Network, _ *Params) { in.Stake[2] = math.MaxUint64 }},
		"memory above 1":       {ErrParams, func(_ *Input, _ *Network, p *Params) { p.BondsMovingAverage = million + 1 }},
		"alpha upside down":    {ErrParams, func(_ *Input, _ *Network, p *Params) { p.AlphaLow, p.AlphaHigh = 2, 1 }},
		"fewer than no permit": {ErrParams, func(_ *Input, net *Network, _ *Params) { net.MaxValidators = -1 }},
		"too many uids":        {ErrSize, func(in *Input, _ *Network, _ *Params) { *in = emptyInput(MaxSize + 1) }},
	} {
		in, net, p := randomInput(r, 3), Network{MaxValidators: 3}, DefaultParams()
		c.spoil(&in, &net, &p)
		_, err := Epoch(in, net, p)
		require.ErrorIs(t, err, c.want, name)
	}
}

func emptyInput(n int) Input {
	return Input{
		Stake: make([]uint64, n), LastUpdate: make([]uint64, n), Registered: make([]uint64, n),
		Permits: make([]bool, n), Weights: make([][]Entry, n), Bonds: make([][]Entry, n),
	}
}

func TestNobodyAtAll(t *testing.T) {
	out, err := Epoch(Input{Emission: 7}, Network{}, DefaultParams())
	require.NoError(t, err)
	require.Equal(t, uint64(7), out.Remainder)
}

// Each mask at the last value that drops and the first that keeps.
func TestMasksAtTheirEdges(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(*Input)
		weight, bond bool // from uid 0 to uid 1
	}{
		"nothing masked":                     {func(*Input) {}, true, true},
		"registered as the weights were set": {func(in *Input) { in.LastUpdate[0], in.Registered[1] = 50, 50 }, false, true},
		"registered before the weights":      {func(in *Input) { in.LastUpdate[0], in.Registered[1] = 50, 49 }, true, true},
		"registered after the commit":        {func(in *Input) { in.CommitBlocks[0], in.Registered[1] = 49, 50 }, false, true},
		"registered with the commit":         {func(in *Input) { in.CommitBlocks[0], in.Registered[1] = 50, 50 }, true, true},
		"registered one tempo ago":           {func(in *Input) { in.Registered[1] = 80 }, true, false},
		"registered before the tempo":        {func(in *Input) { in.Registered[1] = 79 }, true, true},
		"registered after the last epoch":    {func(in *Input) { in.LastStep, in.Registered[1] = 84, 85 }, true, false},
		"registered in the last epoch":       {func(in *Input) { in.LastStep, in.Registered[1] = 84, 84 }, true, true},
		"no permit":                          {func(in *Input) { in.Permits[0] = false }, false, true},
		"active to the last block":           {func(in *Input) { in.LastUpdate[0] = 40 }, true, true},
		"inactive by one block":              {func(in *Input) { in.LastUpdate[0] = 39 }, false, true},
	} {
		in := emptyInput(2)
		in.Block, in.Stake[0], in.Permits[0], in.LastUpdate[0] = 100, 1, true, 99
		in.CommitBlocks = []uint64{NoCommit, NoCommit}
		in.Weights[0], in.Bonds[0] = []Entry{{1, 65535}}, []Entry{{1, 65535}}
		c.change(&in)
		out, err := Epoch(in, Network{MaxValidators: 2, ActivityCutoff: 60, Tempo: 20}, DefaultParams())
		require.NoError(t, err)
		require.Equal(t, c.weight, out.Incentive[1] > 0, name)
		// An old bond leaves nine tenths of itself, a weight on its own buys one tenth.
		require.Equal(t, c.bond, len(out.Bonds[0]) > 0 && out.Bonds[0][0].Value > 58000, name)
	}
}

// Under liquid alpha the bonds of a row without a permit decay as without it; as
// upstream has it, they vanish.
func TestBondsWithoutAPermitUnderLiquidAlpha(t *testing.T) {
	in := emptyInput(3)
	in.Block, in.Stake, in.Permits = 100, []uint64{1, 1, 0}, []bool{true, false, false}
	in.LastUpdate = []uint64{99, 99, 99}
	in.Weights[0], in.Bonds[1] = []Entry{{2, 65535}}, []Entry{{2, 60000}}
	p := DefaultParams()
	p.LiquidAlpha = true
	net := Network{MaxValidators: 3, ActivityCutoff: 40}
	out, err := Epoch(in, net, p)
	require.NoError(t, err)
	require.Equal(t, []Entry{{2, 53999}}, out.Bonds[1])
	p.Compat = true
	out, err = Epoch(in, net, p)
	require.NoError(t, err)
	require.Empty(t, out.Bonds[1])
}

// A bond as large as its weight is bought, not sold: its rate depends on the consensus.
func TestLiquidRateByDistance(t *testing.T) {
	r := newRates(Params{AlphaLow: 6553, AlphaHigh: 19660, Steepness: 1000})
	for _, c := range []struct{ weight, bond, consensus, distance Fixed }{
		{One, half, half, half},            // bought above the consensus
		{half, half, half / 2, half / 2},   // neither
		{half, 0, One, 0},                  // bought below it
		{half, half + half/2, 0, half / 2}, // sold
		{0, One, One, One},                 // sold whole
	} {
		require.Equal(t, r.at(c.distance), r.alpha(c.weight, c.bond, c.consensus))
	}
	require.Equal(t, r.low+(r.high-r.low)/2, r.at(half))
	require.Less(t, r.at(0), r.low+One/500)
	require.Greater(t, r.at(One), r.high-One/500)
}
