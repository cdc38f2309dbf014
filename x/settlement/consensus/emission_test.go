package consensus

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// slowEmission adds the reward block by block, as the definition says.
func slowEmission(r0 Amount, halving uint64, start, end int64) Amount {
	var sum Amount
	for h := start; h < end; h++ {
		r := r0
		for era := uint64(h) / halving; era > 0 && !r.IsZero(); era-- {
			r.Rsh(&r, 1)
		}
		sum.Add(&sum, &r)
	}
	return sum
}

func TestEmissionEqualsTheSlowLoop(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		r0 := NewAmount(r.Uint64() >> r.UintN(64))
		halving := 1 + r.Uint64N(40)
		start := r.Int64N(200)
		end := start + r.Int64N(200)
		got, err := Emission(r0, halving, start, end)
		require.NoError(t, err)
		require.Equal(t, slowEmission(r0, halving, start, end), got, "r0 %s halving %d [%d,%d)", r0.Dec(), halving, start, end)
	}
}

func TestEmissionAtHalvingBoundaries(t *testing.T) {
	gal := NewAmount(1e18)
	for _, c := range []struct {
		start, end int64
		want       uint64 // in hundredths of gal
	}{
		{99, 99, 0},                  // empty
		{0, 100, 100_00},             // the whole first era
		{99, 100, 1_00},              // the last block before the halving
		{100, 101, 50},               // the first after it
		{99, 101, 1_50},              // across
		{199, 201, 75},               // the second halving
		{99, 201, 1_00 + 50_00 + 25}, // one block, a whole era, one block
	} {
		sum, err := Emission(gal, 100, c.start, c.end)
		require.NoError(t, err)
		want, err := Mul(NewAmount(1e16), NewAmount(c.want))
		require.NoError(t, err)
		require.Equal(t, want, sum, "[%d, %d)", c.start, c.end)
	}
}

// Windows own adjoining ranges, so however the blocks are cut, the same is minted.
func TestEmissionOfAdjoiningRangesAddsUp(t *testing.T) {
	r := seeded(t)
	for range 500 {
		r0 := NewAmount(r.Uint64())
		halving := 1 + r.Uint64N(100)
		a := r.Int64N(300)
		b := a + r.Int64N(300)
		c := b + r.Int64N(300)
		whole, err := Emission(r0, halving, a, c)
		require.NoError(t, err)
		first, err := Emission(r0, halving, a, b)
		require.NoError(t, err)
		second, err := Emission(r0, halving, b, c)
		require.NoError(t, err)
		sum, err := Add(first, second)
		require.NoError(t, err)
		require.Equal(t, whole, sum)
	}
}

func TestEmissionEndsAfterTheLastBit(t *testing.T) {
	sum, err := Emission(NewAmount(1), 10, 0, math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, NewAmount(10), sum, "1 >> 1 is 0")
	var most Amount
	most[3] = 1 << 63 // bit 255
	sum, err = Emission(most, 1, 255, math.MaxInt64)
	require.NoError(t, err)
	require.Equal(t, NewAmount(1), sum, "the last bit is worth one block")
	sum, err = Emission(most, 1, 256, math.MaxInt64)
	require.NoError(t, err)
	require.True(t, sum.IsZero())
}

func TestEmissionRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		halving    uint64
		start, end int64
	}{{0, 1, 2}, {1, -1, 2}, {1, 2, 1}} {
		_, err := Emission(NewAmount(1), c.halving, c.start, c.end)
		require.ErrorIs(t, err, ErrRange)
	}
	most := Amount{0, 0, 0, 1 << 63}
	_, err := Emission(most, 1<<40, 0, 2)
	require.ErrorIs(t, err, ErrOverflow)
}

func TestSplitAddsUpExactly(t *testing.T) {
	r := seeded(t)
	for range 1000 {
		rates := Rates{}
		left := uint32(Million)
		for _, rate := range []*uint32{&rates.Miners, &rates.Graders, &rates.Learner, &rates.Validators} {
			*rate = r.Uint32N(left + 1)
			left -= *rate
		}
		minted := Amount{r.Uint64(), r.Uint64(), 0, 0}
		p, err := Split(minted, rates)
		require.NoError(t, err)
		sum := p.Pool
		for _, part := range []Amount{p.Miners, p.Graders, p.Learner, p.Validators} {
			sum, err = Add(sum, part)
			require.NoError(t, err)
		}
		require.Equal(t, minted, sum)
	}
	_, err := Split(NewAmount(1), Rates{Miners: Million, Graders: 1})
	require.ErrorIs(t, err, ErrRange)
	_, err = Split(NewAmount(1), Rates{Miners: math.MaxUint32, Graders: math.MaxUint32, Learner: 2 + Million})
	require.ErrorIs(t, err, ErrRange, "the sum of rates must not wrap")
}

func TestShareNeverExceedsTheWhole(t *testing.T) {
	r := seeded(t)
	for range 1000 {
		total := Amount{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
		weights := make([]uint64, 1+r.IntN(8))
		whole := uint64(0)
		for i := range weights {
			weights[i] = r.Uint64N(65536)
			whole += weights[i]
		}
		var sum Amount
		for _, w := range weights {
			part, err := Share(total, NewAmount(w), NewAmount(whole))
			require.NoError(t, err)
			sum, err = Add(sum, part)
			require.NoError(t, err)
		}
		require.False(t, sum.Gt(&total))
	}
	z, err := Share(NewAmount(5), Amount{}, Amount{})
	require.NoError(t, err)
	require.True(t, z.IsZero())
	_, err = Share(NewAmount(5), NewAmount(2), NewAmount(1))
	require.ErrorIs(t, err, ErrRange)
}

func TestMeanPayAndBond(t *testing.T) {
	mean, err := MeanPay(Amount{}, NewAmount(1000), 10)
	require.NoError(t, err)
	require.Equal(t, NewAmount(100), mean, "the first window sets it")
	mean, err = MeanPay(mean, NewAmount(1800), 10)
	require.NoError(t, err)
	require.Equal(t, NewAmount(110), mean, "(7*100+180)/8")
	same, err := MeanPay(mean, NewAmount(5), 0)
	require.NoError(t, err)
	require.Equal(t, mean, same, "no groups, no change")

	bond, err := BondPerGroup(mean, NewAmount(2000), 20)
	require.NoError(t, err)
	require.Equal(t, NewAmount(2200), bond)
	bond, err = BondPerGroup(mean, NewAmount(2201), 20)
	require.NoError(t, err)
	require.Equal(t, NewAmount(2201), bond, "the floor")
}

func TestScoreAndWeights(t *testing.T) {
	require.Equal(t, uint64(16), Score(16, 16))
	require.Equal(t, uint64(4), Score(8, 16), "half the work, a quarter of the score")
	require.Equal(t, uint64(0), Score(3, 16))
	require.Equal(t, uint64(0), Score(0, 16))
	require.Equal(t, uint64(0), Score(1, 0))
	require.Equal(t, uint64(0), Score(17, 16), "more than declared")
	require.Equal(t, uint64(math.MaxUint32), Score(math.MaxUint32, math.MaxUint32))

	require.Equal(t, []uint32{65535, 32767, 0}, NormalizeWeights([]uint64{2, 1, 0}))
	require.Equal(t, []uint32{0, 0}, NormalizeWeights([]uint64{0, 0}))
	require.Empty(t, NormalizeWeights(nil))
	require.Equal(t, []uint32{65535, 65534}, NormalizeWeights([]uint64{math.MaxUint64, math.MaxUint64 - 1}), "no overflow")
}

// Work that is split over several identities is never worth more than one group a
// group, so an identity that does all it declared gains nothing by being two.
func TestSplittingAMinerDoesNotRaiseItsScore(t *testing.T) {
	for a := uint32(1); a <= 16; a++ {
		for b := uint32(1); b <= 16; b++ {
			require.LessOrEqual(t, Score(a, a)+Score(b, b), Score(a+b, a+b))
		}
		for groups := uint32(0); groups <= a; groups++ {
			require.LessOrEqual(t, Score(groups, a), uint64(groups))
		}
	}
}

// A part that is cut into a thousand is never worth more than the whole of it, and an
// amount of which a rate is taken in pieces never gives more.
func TestAudit_D24_CuttingAShareIntoPiecesDoesNotPay(t *testing.T) {
	const pieces = 1000
	r := seeded(t)
	most := Amount{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
	total := []Amount{NewAmount(1), NewAmount(2), NewAmount(1e18 + 1), {7, 0, 1}, most}
	for range 200 {
		amount := total[r.IntN(len(total))]
		whole := uint64(pieces) << r.IntN(50)
		whole += r.Uint64N(whole)
		ppm := uint32(r.IntN(Million + 1))
		var parts uint64
		var shares, rates, sum Amount
		for range pieces {
			piece := r.Uint64N(1 + whole/pieces)
			parts += piece
			share, err := Share(amount, NewAmount(piece), NewAmount(whole))
			require.NoError(t, err)
			shares, err = Add(shares, share)
			require.NoError(t, err)
			rate, err := SharePPM(NewAmount(piece), ppm)
			require.NoError(t, err)
			rates, err = Add(rates, rate)
			require.NoError(t, err)
			sum, err = Add(sum, NewAmount(piece))
			require.NoError(t, err)
		}
		atOnce, err := Share(amount, NewAmount(parts), NewAmount(whole))
		require.NoError(t, err)
		require.False(t, shares.Gt(&atOnce), "%s in pieces, %s at once", shares.Dec(), atOnce.Dec())
		lost, err := Sub(atOnce, shares)
		require.NoError(t, err)
		require.True(t, lost.LtUint64(pieces), "a piece loses less than one coin: %s", lost.Dec())
		atOnce, err = SharePPM(sum, ppm)
		require.NoError(t, err)
		require.False(t, rates.Gt(&atOnce))
	}
}

func TestThresholdsDoNotOverflow(t *testing.T) {
	most := Amount{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64}
	half := Amount{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64 >> 1}
	require.True(t, MoreThanHalf(most, most))
	require.False(t, MoreThanHalf(half, most))
	require.True(t, MoreThanTwoThirds(most, most))
	require.False(t, MoreThanTwoThirds(half, most))
	require.False(t, MoreThanHalf(Amount{}, Amount{}))
	require.False(t, MoreThanTwoThirds(Amount{}, Amount{}))
	for part := uint64(0); part <= 30; part++ {
		require.Equal(t, 2*part > 30, MoreThanHalf(NewAmount(part), NewAmount(30)), part)
		require.Equal(t, 3*part > 60, MoreThanTwoThirds(NewAmount(part), NewAmount(30)), part)
	}
}

// FuzzEmission compares the closed form with the slow loop, and a cut range with its parts.
func FuzzEmission(f *testing.F) {
	f.Add(uint64(1e18), uint64(100), uint16(95), uint8(10))
	f.Add(uint64(1), uint64(1), uint16(0), uint8(255))
	f.Add(uint64(math.MaxUint64), uint64(math.MaxUint64), uint16(65535), uint8(1))
	f.Fuzz(func(t *testing.T, r0, halving uint64, start uint16, length uint8) {
		if halving == 0 {
			halving = 1
		}
		from, to := int64(start), int64(start)+int64(length)
		got, err := Emission(NewAmount(r0), halving, from, to)
		require.NoError(t, err)
		require.Equal(t, slowEmission(NewAmount(r0), halving, from, to), got)
	})
}
