package learning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/galahad-network/galahad/chain/client/learning"
	"github.com/galahad-network/galahad/rl/grpo"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

// The chain's default recipe is, to the bit, the one that was measured to learn.
func TestTheDefaultRecipeIsTheMeasuredOne(t *testing.T) {
	require.Equal(t, grpo.Default(), learning.RecipeOf(challengetypes.DefaultRecipe()).Hyperparameters)
}

// Whatever the chain accepts, a step can be made with.
func TestTheChainsBoundsAreWithinTheSteps(t *testing.T) {
	const billion = 1_000_000_000
	lowest := challengetypes.Recipe{LearningRatePpb: 1, EpsilonPpb: 1, GradClipPpb: 1, RatioLowPpb: 1, RatioHighPpb: billion, AdvantageEpsPpb: 1, MinGroups: 1}
	highest := challengetypes.Recipe{
		LearningRatePpb: billion, WarmupSteps: challengetypes.MaxWarmupSteps, Beta1Ppb: billion - 100, Beta2Ppb: billion - 100, EpsilonPpb: billion,
		WeightDecayPpb: billion, GradClipPpb: 1_000_000 * billion, RatioLowPpb: billion, RatioHighPpb: 100 * billion, AdvantageEpsPpb: billion,
		MinGroups: challengetypes.MaxGroupsPerWindow,
	}
	for _, r := range []challengetypes.Recipe{lowest, highest} {
		require.NoError(t, r.Validate())
		require.NoError(t, learning.RecipeOf(r).Validate())
	}
}
