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
			got := Clip.Token(tt.logp, tt.behaviour, tt.a, ppo)
			loss, dlogp, clipped := got.Loss, got.DLogP, got.Cut
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
		got := Clip.Token(logp, behaviour, adv, ppo)
		loss, dlogp := got.Loss, got.DLogP
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

var ppo = Bounds{Low: 0.8, High: 1.2}

// boundsOf are usual numbers of an objective.
func boundsOf(l Loss) Bounds {
	switch l {
	case TwoSided:
		return Bounds{Low: 0.8, High: 1.2, Delta: 4}
	case Clamp, Masked:
		return Bounds{Low: 0.125, High: 8}
	case Divergence:
		return Bounds{Low: 0.8, High: 1.2, Delta: 0.2}
	case DivergenceBoth:
		return Bounds{Low: 0.8, High: 1.2, Delta: 0.1}
	}
	return ppo
}

func TestNoInputGivesNaN(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	extremes := []float32{0, -1e-45, -1, -2, -20, -88, -91, -104, -1e30, -math.MaxFloat32, math.MaxFloat32, inf, -inf, nan}
	for l := Clip; l <= Sequence; l++ {
		for _, logp := range extremes {
			for _, behaviour := range extremes {
				for _, adv := range []float32{-3, -1e-30, 0, 1, 12} {
					for _, got := range l.Rollout([]float32{logp, -1}, []float32{behaviour, -1}, adv, boundsOf(l)) {
						require.True(t, isFinite(got.Loss) && isFinite(got.DLogP), "%s: logp %v behaviour %v adv %v: %+v", l, logp, behaviour, adv, got)
					}
				}
				for k := NoKL; k <= K3; k++ {
					value, slope := k.Token(logp, behaviour)
					require.True(t, isFinite(value) && isFinite(slope), "%s: logp %v behaviour %v", k, logp, behaviour)
				}
			}
		}
	}
}

func FuzzTokenIsFinite(f *testing.F) {
	f.Add(uint32(0xff800000), uint32(0x7fc00000), float32(1), uint32(1))
	f.Fuzz(func(t *testing.T, logp, behaviour uint32, adv float32, which uint32) {
		if math.Abs(float64(adv)) > 1e6 || adv != adv {
			t.Skip() // advantages are bounded by the square root of the group's size
		}
		l := Clip + Loss(which%uint32(Sequence))
		got := l.Token(math.Float32frombits(logp), math.Float32frombits(behaviour), adv, boundsOf(l))
		if !isFinite(got.Loss) || !isFinite(got.DLogP) {
			t.Fatalf("%s: logp %#x behaviour %#x adv %v: %+v", l, logp, behaviour, adv, got)
		}
	})
}

// The derivative that an objective reports is its slope, wherever it has one. Clamp's weight is a constant for it, so its
// slope is taken with the weight held.
func TestEachObjectiveHasTheSlopeThatItReports(t *testing.T) {
	const seed = 17
	rng := rand.New(rand.NewPCG(seed, 0))
	for l := Clip; l <= Sequence; l++ {
		b := boundsOf(l)
		slopes := 0
		for range 4000 {
			n := 1
			if l == Sequence {
				n = 3
			}
			logp, behaviour := make([]float32, n), make([]float32, n)
			for i := range logp {
				behaviour[i] = float32(-0.1 - 3*rng.Float64())
				logp[i] = min(-0.01, behaviour[i]+float32(rng.NormFloat64()*0.6))
			}
			adv := float32(rng.NormFloat64() * 2)
			at := func(x float32) (sum float64) {
				moved := append([]float32{x}, logp[1:]...)
				for _, tok := range l.Rollout(moved, behaviour, adv, b) {
					sum += float64(tok.Loss) / float64(n)
				}
				return sum
			}
			const h = 1.0 / 256
			here := l.Rollout(logp, behaviour, adv, b)[0]
			above, below := l.Rollout(append([]float32{logp[0] + h}, logp[1:]...), behaviour, adv, b)[0], l.Rollout(append([]float32{logp[0] - h}, logp[1:]...), behaviour, adv, b)[0]
			if here.Cut != above.Cut || here.Cut != below.Cut {
				continue // the kink has no slope to compare with
			}
			want := (at(logp[0]+h) - at(logp[0]-h)) / (2 * h)
			if l == Clamp {
				weight := math.Min(math.Exp(float64(logp[0]-behaviour[0])), float64(b.High)) * float64(adv)
				want = -weight
			}
			if l == Sequence {
				want *= float64(n)
			}
			require.InDelta(t, want, float64(here.DLogP), 0.01*math.Max(1, math.Abs(want)), "%s, seed %d, logp %v behaviour %v adv %v", l, seed, logp, behaviour, adv)
			slopes++
		}
		require.Greater(t, slopes, 2000, l)
	}
}

func TestDivergencesOfEqualWeightsAreZeroAndGrow(t *testing.T) {
	for k := K1; k <= K3; k++ {
		value, _ := k.Token(-1, -1)
		require.Zero(t, value, k)
		value, slope := k.Token(-0.5, -1)
		require.Positive(t, value, k)
		require.Positive(t, slope, k)
	}
	value, slope := NoKL.Token(-0.5, -1)
	require.Zero(t, value)
	require.Zero(t, slope)
	value, slope = K3.Token(-1.5, -1)
	require.InDelta(t, math.Exp(0.5)-1-0.5, float64(value), 1e-6)
	require.InDelta(t, 1-math.Exp(0.5), float64(slope), 1e-6)
}
