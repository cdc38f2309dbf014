package grpo

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceAdvantages is the definition in binary64 and nothing else.
func referenceAdvantages(rewards []uint32, eps float64) []float64 {
	n := float64(len(rewards))
	mean := 0.0
	for _, r := range rewards {
		mean += float64(r) / 1e6 / n
	}
	variance := 0.0
	for _, r := range rewards {
		variance += (float64(r)/1e6 - mean) * (float64(r)/1e6 - mean) / n
	}
	out := make([]float64, len(rewards))
	for i, r := range rewards {
		out[i] = (float64(r)/1e6 - mean) / (math.Sqrt(variance) + eps)
	}
	return out
}

func TestAdvantagesTable(t *testing.T) {
	const one = 1_000_000
	tests := []struct {
		name    string
		rewards []uint32
		want    []float32
	}{
		{"nobody right", []uint32{0, 0, 0, 0}, []float32{0, 0, 0, 0}},
		{"all right", []uint32{one, one, one, one}, []float32{0, 0, 0, 0}},
		{"all equal, partial reward", []uint32{333_333, 333_333, 333_333}, []float32{0, 0, 0}},
		{"half right", []uint32{one, 0, one, 0}, []float32{0.9998, -0.9998, 0.9998, -0.9998}},
		{"one of eight", []uint32{0, 0, 0, one, 0, 0, 0, 0}, []float32{-0.37785, -0.37785, -0.37785, 2.64495, -0.37785, -0.37785, -0.37785, -0.37785}},
		{"one rollout", []uint32{one}, []float32{0}},
		{"empty", nil, []float32{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.InDeltaSlice(t, tt.want, GroupStd.Advantages(tt.rewards, 1e-4), 1e-5)
		})
	}
}

func TestAdvantagesAgreeWithFloat64Reference(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		rewards := make([]uint32, 2+rng.IntN(31))
		for i := range rewards {
			rewards[i] = uint32(rng.IntN(1_000_001))
			if rng.IntN(2) == 0 {
				rewards[i] = uint32(rng.IntN(2)) * 1_000_000
			}
		}
		got, want := GroupStd.Advantages(rewards, 1e-4), referenceAdvantages(rewards, 1e-4)
		for i := range got {
			require.InDelta(t, want[i], float64(got[i]), 2e-4*math.Max(1, math.Abs(want[i])), "seed %d rewards %v", seed, rewards)
		}
	}
}

// A difference of one millionth is a signal, not zero variance: integers decide, so no rounding can hide it.
func TestZeroVarianceIsExact(t *testing.T) {
	require.True(t, ZeroVariance([]uint32{7, 7, 7}))
	require.False(t, ZeroVariance([]uint32{1_000_000, 1_000_000, 999_999}))
	require.True(t, ZeroVariance(nil))
}

func TestEachEstimatorIsWhatItSays(t *testing.T) {
	const one = 1_000_000
	rewards := []uint32{one, one, 0, 500_000}
	for _, c := range []struct {
		a    Advantage
		want []float32
	}{
		{GroupMean, []float32{0.375, 0.375, -0.625, -0.125}},
		{LeaveOneOut, []float32{0.5, 0.5, -2.5 / 3, -0.5 / 3}},
		{Rank, []float32{2. / 3, 2. / 3, -1, -1. / 3}},
		{MaxRL, []float32{0.6, 0.6, -1, -0.2}},
	} {
		require.InDeltaSlice(t, c.want, c.a.Advantages(rewards, 1e-4), 1e-6, c.a)
	}
	for a := GroupStd; a <= MaxRL; a++ {
		require.Equal(t, make([]float32, 3), a.Advantages([]uint32{7, 7, 7}, 1e-4), a)
		require.Len(t, a.Advantages([]uint32{one}, 1e-4), 1, a)
	}
	require.Equal(t, "leave_one_out", LeaveOneOut.String())
	require.Equal(t, "unknown_9", Advantage(9).String())
}

// Among equal rewards the shorter completion gains, the more so the easier the problem is; no length helps a wrong one
// past a right one.
func TestShorterAnswersAreWorthMoreWhereTheProblemIsSolved(t *testing.T) {
	r := []float32{1, 1, 0, 0}
	ShapeByLength(r, []int{10, 20, 10, 40}, 0.5)
	require.InDeltaSlice(t, []float32{1 - 0.0625, 1 - 0.125, -0.0625, -0.25}, r, 1e-6)
	never := []float32{0, 0}
	ShapeByLength(never, []int{1, 9}, 0.5)
	require.Equal(t, []float32{0, 0}, never)
	ShapeByLength(never, []int{0, 0}, 0.5)
	require.Equal(t, []float32{0, 0}, never)
}
