package types_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/registry/types"
)

func number(t testing.TB, s string) sdkmath.Int {
	i, ok := sdkmath.NewIntFromString(s)
	require.True(t, ok, s)
	return i
}

// The prices were computed with another implementation, on integers of any size.
func TestGoldenDecayedPrice(t *testing.T) {
	for _, tc := range []struct {
		price, floor     string
		blocks, halfLife uint64
		want             string
	}{
		{"2000000000000000000", "0", 0, 360, "2000000000000000000"},
		{"2000000000000000000", "0", 1, 360, "1996152887380342586"},
		{"2000000000000000000", "0", 90, 360, "1681792830507429086"},
		{"2000000000000000000", "0", 180, 360, "1414213562373095048"},
		{"2000000000000000000", "0", 359, 360, "1001927263671410451"},
		{"2000000000000000000", "0", 360, 360, "1000000000000000000"},
		{"2000000000000000000", "0", 1000, 360, "291632259899258626"},
		{"2000000000000000000", "1000000000000000000", 400, 360, "1000000000000000000"},
		{"340282366920938463463374607431768211455", "0", 1, 1, "170141183460469231731687303715884105727"},
		{"340282366920938463463374607431768211455", "0", 127, 1, "1"},
		{"340282366920938463463374607431768211455", "7", 128, 1, "7"},
		{"340282366920938463463374607431768211455", "0", 99999999, 100000000, "170141184641179950605583555887011725311"},
		{"1", "0", 1, 360, "0"},
		{"3000000000000000000", "0", 12345, 7200, "914071654021199285"},
		{"3000000000000000000", "5", 1, 0, "5"},
		{"3000000000000000000", "5", math.MaxUint64, 1, "5"},
		{"3000000000000000000", "5", 1, math.MaxUint64, "3000000000000000000"},
	} {
		got := types.DecayedPrice(number(t, tc.price), number(t, tc.floor), tc.blocks, tc.halfLife)
		require.Equal(t, tc.want, got.String(), "%v", tc)
	}
}

func TestRaisedPriceRoundsUpAndStopsAtTheHighest(t *testing.T) {
	for _, tc := range []struct {
		price  string
		factor uint64
		want   string
	}{
		{"0", 2_000_000, "0"},
		{"1", 1_000_000, "1"},
		{"1", 1_000_001, "2"},
		{"1000000000000000000", 2_000_000, "2000000000000000000"},
		{"340282366920938463463374607431768211455", 2_000_000, "340282366920938463463374607431768211455"},
		{"340282366920938463463374607431768211455", types.MaxPriceFactorPPM, "340282366920938463463374607431768211455"},
	} {
		require.Equal(t, tc.want, types.RaisedPrice(number(t, tc.price), tc.factor).String())
	}
}

// FuzzPrice holds the price rule to the real exponential, to its bounds, and to
// falling with every block.
func FuzzPrice(f *testing.F) {
	f.Add(uint64(1)<<63, uint64(0), uint64(1), uint64(360))
	f.Add(uint64(math.MaxUint64), uint64(5), uint64(math.MaxUint64), uint64(1))
	f.Add(uint64(0), uint64(0), uint64(0), uint64(0))
	f.Add(uint64(1e18), uint64(1), uint64(719), uint64(360))
	f.Fuzz(func(t *testing.T, price, floor, blocks, halfLife uint64) {
		p, low := sdkmath.NewIntFromUint64(price), sdkmath.NewIntFromUint64(floor)
		got := types.DecayedPrice(p, low, blocks, halfLife)
		require.True(t, got.GTE(low))
		require.True(t, got.LTE(sdkmath.MaxInt(p, low)))
		if blocks < math.MaxUint64 {
			require.True(t, types.DecayedPrice(p, low, blocks+1, halfLife).LTE(got), "a price rises while nobody registers")
		}
		if halfLife > 0 && blocks/halfLife < 64 {
			want := math.Max(float64(floor), float64(price)*math.Exp2(-float64(blocks)/float64(halfLife)))
			have, _ := new(big.Float).SetInt(got.BigInt()).Float64()
			require.InDelta(t, want, have, 1+want*1e-9)
		}
		raised := types.RaisedPrice(got, 1_000_000+blocks%types.MillionPPM)
		require.True(t, raised.GTE(got) && raised.LTE(types.MaxPrice()))
	})
}
