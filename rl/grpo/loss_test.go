package grpo

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceLoss is the clipped objective in binary64 with the platform's exp.
func referenceLoss(logp, behaviour, adv, low, high float64) float64 {
	rho := math.Exp(logp - behaviour)
	return -math.Min(rho*adv, math.Min(math.Max(rho, low), high)*adv)
}

func TestTokenLossTable(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	tests := []struct {
		name               string
		logp, behaviour, a float32
		loss, dlogp        float64
		clipped            bool
	}{
		{"on policy, good", -1, -1, 1, -1, -1, false},
		{"on policy, bad", -1, -1, -2, 2, 2, false},
		{"good and already likelier: cut", ln(1.5), 0, 1, -1.2, 0, true},
		{"good and less likely: pulled back", ln(0.5), 0, 1, -0.5, -0.5, false},
		{"bad and already less likely: cut", ln(0.5), 0, -1, 0.8, 0, true},
		{"bad and likelier: pushed down", ln(1.5), 0, -1, 1.5, 1.5, false},
		{"just inside", ln(1.19), 0, 1, -1.19, -1.19, false},
		{"no advantage", -3, -1, 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loss, dlogp, clipped := TokenLoss(tt.logp, tt.behaviour, tt.a, 0.8, 1.2)
			require.InDelta(t, tt.loss, float64(loss), 1e-6)
			require.InDelta(t, tt.dlogp, float64(dlogp), 1e-6)
			require.Equal(t, tt.clipped, clipped)
		})
	}
}

func TestTokenLossAgreesWithFloat64ReferenceAndItsSlope(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		behaviour := float32(-3 * rng.Float64())
		logp := behaviour + float32(rng.NormFloat64()*0.3)
		adv := float32(rng.NormFloat64() * 2)
		loss, dlogp, _ := TokenLoss(logp, behaviour, adv, 0.8, 1.2)
		want := referenceLoss(float64(logp), float64(behaviour), float64(adv), 0.8, 1.2)
		require.InDelta(t, want, float64(loss), 1e-5, "seed %d", seed)

		rho := math.Exp(float64(logp) - float64(behaviour))
		if math.Abs(rho-0.8) < 1e-3 || math.Abs(rho-1.2) < 1e-3 {
			continue // the kink has no slope to compare with
		}
		const h = 1e-5
		slope := (referenceLoss(float64(logp)+h, float64(behaviour), float64(adv), 0.8, 1.2) -
			referenceLoss(float64(logp)-h, float64(behaviour), float64(adv), 0.8, 1.2)) / (2 * h)
		require.InDelta(t, slope, float64(dlogp), 1e-4, "seed %d logp %v behaviour %v adv %v", seed, logp, behaviour, adv)
	}
}

func TestTokenLossIsFiniteForEveryInput(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	extremes := []float32{0, -1e-45, -1, -20, -88, -104, -1e30, -math.MaxFloat32, math.MaxFloat32, inf, -inf, nan}
	for _, logp := range extremes {
		for _, behaviour := range extremes {
			for _, adv := range []float32{-3, -1e-30, 0, 1, 12} {
				loss, dlogp, _ := TokenLoss(logp, behaviour, adv, 0.8, 1.2)
				require.True(t, isFinite(loss) && isFinite(dlogp), "logp %v behaviour %v adv %v: %v %v", logp, behaviour, adv, loss, dlogp)
			}
		}
	}
}

func FuzzTokenLossIsFinite(f *testing.F) {
	f.Add(uint32(0xff800000), uint32(0x7fc00000), float32(1))
	f.Fuzz(func(t *testing.T, logp, behaviour uint32, adv float32) {
		if math.Abs(float64(adv)) > 1e6 || adv != adv {
			t.Skip() // advantages are bounded by the square root of the group's size
		}
		loss, dlogp, _ := TokenLoss(math.Float32frombits(logp), math.Float32frombits(behaviour), adv, 0.8, 1.2)
		if !isFinite(loss) || !isFinite(dlogp) {
			t.Fatalf("logp %#x behaviour %#x adv %v: loss %v gradient %v", logp, behaviour, adv, loss, dlogp)
		}
	})
}
