package stake

import (
	"math/big"
	"testing"

	"github.com/holiman/uint256"
	"github.com/stretchr/testify/require"

	sdkmath "cosmossdk.io/math"
)

func TestSharesAtTheirBoundaries(t *testing.T) {
	most := new(uint256.Int).Not(new(uint256.Int)) // 2^256-1, divisible by 3
	third := new(uint256.Int).Div(most, uint256.NewInt(3))
	n := uint256.NewInt
	plus := func(a *uint256.Int, d uint64) *uint256.Int { return new(uint256.Int).Add(a, n(d)) }
	for _, c := range []struct {
		part, whole            *uint256.Int
		third, half, twoThirds bool
	}{
		{n(0), n(0), false, false, false},
		{n(0), n(1), false, false, false},
		{n(1), n(1), true, true, true},
		{n(1), n(3), false, false, false}, // exactly 1/3
		{n(1), n(2), true, false, false},  // exactly 1/2
		{n(2), n(3), true, true, false},   // exactly 2/3
		{n(33), n(100), false, false, false},
		{n(34), n(100), true, false, false},
		{n(50), n(100), true, false, false},
		{n(51), n(100), true, true, false},
		{n(66), n(100), true, true, false},
		{n(67), n(100), true, true, true},
		{n(2), n(1), false, false, false}, // more than there is
		{third, most, false, false, false},
		{plus(third, 1), most, true, false, false},
		{plus(third, 0).Lsh(third, 1), most, true, true, false},
		{plus(new(uint256.Int).Lsh(third, 1), 1), most, true, true, true},
		{most, most, true, true, true},
		{most, n(0), false, false, false},
	} {
		require.Equal(t, c.third, MoreThanThird(*c.part, *c.whole), "%s of %s, 1/3", c.part.Dec(), c.whole.Dec())
		require.Equal(t, c.half, MoreThanHalf(*c.part, *c.whole), "%s of %s, 1/2", c.part.Dec(), c.whole.Dec())
		require.Equal(t, c.twoThirds, MoreThanTwoThirds(*c.part, *c.whole), "%s of %s, 2/3", c.part.Dec(), c.whole.Dec())
	}
}

// The rules without products agree with the definitions over unbounded integers.
func FuzzSharesAreWhatTheySay(f *testing.F) {
	f.Add([]byte{1}, []byte{3})
	f.Add([]byte{2}, []byte{3})
	f.Add([]byte{0xff}, []byte{0xff})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		part, whole := new(uint256.Int).SetBytes(a), new(uint256.Int).SetBytes(b)
		p, w := part.ToBig(), whole.ToBig()
		share := func(num, den int64) bool {
			l, r := new(big.Int).Mul(p, big.NewInt(den)), new(big.Int).Mul(w, big.NewInt(num))
			return p.Cmp(w) <= 0 && l.Cmp(r) > 0
		}
		require.Equal(t, share(1, 3), MoreThanThird(*part, *whole))
		require.Equal(t, share(1, 2), MoreThanHalf(*part, *whole))
		require.Equal(t, share(2, 3), MoreThanTwoThirds(*part, *whole))
		// Whoever wins by 2/3 cannot be stopped by 1/3 of the rest.
		if rest, ok := minus(*whole, *part); ok && MoreThanTwoThirds(*part, *whole) {
			require.False(t, MoreThanThird(rest, *whole))
		}
	})
}

func TestOnlyAmountsAreTaken(t *testing.T) {
	for _, bad := range []sdkmath.Int{{}, sdkmath.NewInt(-1)} {
		_, err := FromInt(bad)
		require.ErrorIs(t, err, ErrAmount)
	}
	got, err := FromInt(sdkmath.NewInt(7))
	require.NoError(t, err)
	require.Equal(t, *uint256.NewInt(7), got)
}
