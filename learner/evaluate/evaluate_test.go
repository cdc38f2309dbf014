package evaluate

import (
	"hash/crc32"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/models"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
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

// judge is an environment with another reward.
type judge struct {
	env.Environment
	reward func(completion []byte) uint32
}

func (j judge) Reward(_ env.Problem, completion []byte, _ bool) uint32 { return j.reward(completion) }

// A step sees rewards, not what is right: where none is full a group can teach all the same, and where all are equal none does.
func TestProblemsAreSortedByWhatTheirRewardsTeach(t *testing.T) {
	base, err := models.Base()
	require.NoError(t, err)
	e, err := env.Lookup("arithmetic-3")
	require.NoError(t, err)
	const n = 12
	for name, c := range map[string]struct {
		reward                    func([]byte) uint32
		allRight, mixed, allWrong int
	}{
		"always right":         {func([]byte) uint32 { return env.FullReward }, n, 0, 0},
		"always half right":    {func([]byte) uint32 { return env.FullReward / 2 }, 0, 0, n},
		"always wrong":         {func([]byte) uint32 { return 0 }, 0, 0, n},
		"in parts, never full": {func(b []byte) uint32 { return crc32.ChecksumIEEE(b) % env.FullReward }, 0, n, 0},
	} {
		spec := Spec{Env: judge{e, c.reward}, Problems: n, Samples: 8, MaxNew: 38, Seed: 1}
		r, err := Run(t.Context(), engine.New(base.Model, engine.Options{}), base.Tokenizer, spec, nil)
		require.NoError(t, err)
		require.Equal(t, []int{c.allRight, c.mixed, c.allWrong}, []int{r.AllRight, r.Mixed, r.AllWrong}, name)
		require.Equal(t, 8*c.allRight, r.Correct, name)
	}
}
