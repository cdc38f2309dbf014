package evaluate

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWilsonTable(t *testing.T) {
	// Values from the closed form, as tables of the score interval print them.
	tests := []struct {
		k, n      int
		low, high float64
	}{
		{0, 10, 0, 0.2775},
		{10, 10, 0.7225, 1},
		{5, 10, 0.2366, 0.7634},
		{126, 1024, 0.1044, 0.1446},
		{0, 0, 0, 1},
	}
	for _, tt := range tests {
		low, high := Wilson(tt.k, tt.n)
		require.InDelta(t, tt.low, low, 1e-4, "%d of %d", tt.k, tt.n)
		require.InDelta(t, tt.high, high, 1e-4, "%d of %d", tt.k, tt.n)
	}
}

// Sixteen samples of a problem that is always right or always wrong are worth one observation, not sixteen.
func TestClusteredIntervalDoesNotShrinkWithRepeatedSamples(t *testing.T) {
	once, often := make([]int, 200), make([]int, 200)
	for i := range once {
		if i%4 == 0 {
			once[i], often[i] = 1, 16
		}
	}
	low1, high1 := Clustered(once, 1)
	low16, high16 := Clustered(often, 16)
	require.InDelta(t, low1, low16, 1e-12)
	require.InDelta(t, high1, high16, 1e-12)
	require.InDelta(t, 0.25, (low16+high16)/2, 1e-12)
	require.InDelta(t, 0.0602, (high16-low16)/2, 1e-3)
}

// Against the mean over all ways of choosing k of n samples.
func TestPassAtKIsTheMeanOverAllChoices(t *testing.T) {
	const n = 6
	for c := range n + 1 {
		for k := 1; k <= n; k++ {
			hits, all := 0, 0
			for set := range 1 << n {
				if bits.OnesCount(uint(set)) != k {
					continue
				}
				all++
				if set&(1<<c-1) != 0 { // the first c samples are right
					hits++
				}
			}
			require.InDelta(t, float64(hits)/float64(all), passAt([]int{c}, n, k).Value, 1e-12, "c %d k %d", c, k)
		}
	}
	require.InDelta(t, 0.5, passAt([]int{0, 6}, 6, 3).Value, 1e-12)
}

func TestPassAtAllSamplesHasTheIntervalOfSolvedProblems(t *testing.T) {
	right := []int{0, 0, 3, 6, 1, 0, 0, 0, 2, 0}
	p := passAt(right, 6, 6)
	low, high := Wilson(4, 10)
	require.InDelta(t, 0.4, p.Value, 1e-12)
	require.Equal(t, []float64{low, high}, []float64{p.Low, p.High})
	p = passAt(right, 6, 1)
	low, high = Clustered(right, 6)
	require.InDelta(t, low, p.Low, 1e-12)
	require.InDelta(t, high, p.High, 1e-12)
	require.Positive(t, passAt(make([]int, 100), 4, 4).High, "no problem solved of a hundred does not say that none can be")
}
