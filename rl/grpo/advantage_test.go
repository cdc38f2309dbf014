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
			require.InDeltaSlice(t, tt.want, Advantages(tt.rewards, 1e-4), 1e-5)
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
		got, want := Advantages(rewards, 1e-4), referenceAdvantages(rewards, 1e-4)
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
