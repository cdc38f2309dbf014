package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	"github.com/galahad-network/galahad/x/policy/types"
)

func TestTrainedWindowsAreWrittenAsRanges(t *testing.T) {
	for want, ids := range map[string][]uint64{
		"": nil, "3": {3}, "3-4": {3, 4}, "0-2, 5, 7-8": {0, 1, 2, 5, 7, 8}, "1, 3, 5": {1, 3, 5},
	} {
		require.Equal(t, want, windows(ids))
	}
}

func TestAnEvaluationSaysWhoseWordItIs(t *testing.T) {
	c := types.Checkpoint{Evaluation: types.Evaluation{Problems: 256, Correct: 131}, EligibleStake: math.NewInt(3), AttestedStake: math.NewInt(2)}
	require.Equal(t, "131 of 256, 51.1 %, claimed", right(c))
	c.AttestedStake = math.NewInt(3)
	require.Equal(t, "131 of 256, 51.1 %, attested", right(c))
	require.Equal(t, "-", right(types.Checkpoint{}))
}
