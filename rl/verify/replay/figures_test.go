package replay

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/rl/engine"
)

// A number's distance from a token's part is one of odds: the same shift of a logit is the
// same distance wherever the bound lies.
func TestDistancesAreOfOdds(t *testing.T) {
	at := func(odds float64) float64 { return odds / (1 + odds) }
	for _, bound := range []float64{1e-6, 0.01, 0.5, 0.99, 1 - 1e-6} {
		odds := bound / (1 - bound)
		above := engine.View{U: at(1.5 * odds), Low: 0, High: bound}
		require.InDelta(t, 0.5, off(above), 1e-6, "%v", bound)
		below := engine.View{U: at(odds / 1.5), Low: bound, High: 1}
		require.InDelta(t, 0.5, off(below), 1e-6, "%v", bound)
	}
	require.Zero(t, off(engine.View{U: 0.3, Low: 0.2, High: 0.4}))
	require.Zero(t, off(engine.View{U: 0.4, Low: 0.2, High: 0.4}), "what is next to it is no distance away")
	for _, v := range []engine.View{{U: 0, Low: 0.1, High: 0.2}, {U: 0.1, Low: 0, High: 0}, {U: 0.9, Low: 1, High: 1}, {U: 1 - 1e-16, Low: 0, High: 1e-300}} {
		require.Equal(t, int64(1e12), units(off(v), million), "%+v is as far as can be said", v)
	}
}

// Evidence is the t at which Bernstein's bound sqrt(2*variance*t) + t is the excess.
func TestEvidenceIsBernsteins(t *testing.T) {
	for _, variance := range []float64{0, 1e-9, 0.3, 7, 400} {
		for _, nats := range []float64{0, 0.01, 1, 8, 20, 300} {
			x := math.Sqrt(2*variance*nats) + nats
			require.InEpsilon(t, 1+nats, 1+evidence(x, variance), 1e-9)
			require.InEpsilon(t, 1+nats, 1-evidence(-x, variance), 1e-9)
		}
	}
}
