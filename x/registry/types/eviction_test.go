package types_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/x/registry/types"
)

func TestWeakestIsTheLowestScorePastImmunityAndOfTiesTheOldest(t *testing.T) {
	type c = types.Candidate
	for name, tc := range map[string]struct {
		candidates []c
		height     int64
		immunity   uint64
		want       int // -1: all are immune
	}{
		"nobody":                      {nil, 100, 10, -1},
		"the lowest score":            {[]c{{5, 0, 1}, {3, 1, 1}, {4, 2, 1}}, 100, 10, 1},
		"of ties the oldest":          {[]c{{3, 7, 1}, {3, 2, 1}, {3, 9, 1}}, 100, 10, 1},
		"the lowest is immune":        {[]c{{5, 0, 1}, {0, 1, 95}}, 100, 10, 0},
		"the block before it ends":    {[]c{{0, 0, 91}}, 100, 10, -1},
		"the block in which it ends":  {[]c{{0, 0, 90}}, 100, 10, 0},
		"no immunity, the same block": {[]c{{9, 0, 100}}, 100, 0, 0},
		"immunity beyond all blocks":  {[]c{{9, 0, 1}}, math.MaxInt64 - 1, math.MaxUint64, -1},
		"a height of an earlier life": {[]c{{9, 0, 5000}}, 1, 10, -1},
		"highest scores":              {[]c{{math.MaxUint64, 1, 0}, {math.MaxUint64, 0, 0}}, 100, 0, 1},
	} {
		i, ok := types.Weakest(tc.candidates, tc.height, tc.immunity)
		require.Equal(t, tc.want >= 0, ok, name)
		if ok {
			require.Equal(t, tc.want, i, name)
		}
	}
}

func TestAudit_G54_EvictionDoesNotDependOnOrder(t *testing.T) {
	candidates := make([]types.Candidate, 40)
	for i := range candidates {
		candidates[i] = types.Candidate{Score: uint64(i % 5), Order: uint64(i), RegisteredHeight: int64(i % 7)}
	}
	first, ok := types.Weakest(candidates, 100, 95)
	require.True(t, ok)
	want := candidates[first]
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rng.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		i, ok := types.Weakest(candidates, 100, 95)
		require.True(t, ok)
		require.Equal(t, want, candidates[i])
	}
}

// FuzzWeakest: whoever leaves is past immunity, and nobody past it is weaker.
func FuzzWeakest(f *testing.F) {
	f.Add([]byte{3, 1, 9, 3, 0, 2}, int64(12), uint64(4))
	f.Add([]byte{}, int64(-1), uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, raw []byte, height int64, immunity uint64) {
		var candidates []types.Candidate
		for i := 0; i+1 < len(raw); i += 2 {
			candidates = append(candidates, types.Candidate{Score: uint64(raw[i]), Order: uint64(i), RegisteredHeight: int64(raw[i+1])})
		}
		index, ok := types.Weakest(candidates, height, immunity)
		for _, c := range candidates {
			if height < types.ImmuneUntil(c.RegisteredHeight, immunity) {
				continue
			}
			require.True(t, ok)
			w := candidates[index]
			require.True(t, w.Score < c.Score || w.Score == c.Score && w.Order <= c.Order)
		}
		if ok {
			require.GreaterOrEqual(t, height, types.ImmuneUntil(candidates[index].RegisteredHeight, immunity))
		}
	})
}
