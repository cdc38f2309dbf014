package learning_test

import (
	"fmt"
	"strings"
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
	lowest := challengetypes.Recipe{
		LearningRatePpb: 1, EpsilonPpb: 1, GradClipPpb: 1, RatioLowPpb: 1, RatioHighPpb: billion, AdvantageEpsPpb: 1, MinGroups: 1,
		Advantage: 1, Loss: 1, Normalization: 1, KlEstimator: 1, StepWindows: 1,
	}
	highest := challengetypes.Recipe{
		LearningRatePpb: billion, WarmupSteps: challengetypes.MaxWarmupSteps, Beta1Ppb: billion - 100, Beta2Ppb: billion - 100, EpsilonPpb: billion,
		WeightDecayPpb: billion, GradClipPpb: 1_000_000 * billion, RatioLowPpb: billion, RatioHighPpb: 100 * billion, AdvantageEpsPpb: billion,
		MinGroups: challengetypes.MaxGroupsPerWindow, Advantage: 6, Loss: 7, Normalization: 3, ConstantLength: challengetypes.MaxConstantLength,
		KlEstimator: 4, KlWeightPpb: billion, EntropyWeightPpb: billion, LengthWeightPpb: billion,
		DifficultyLowPpm: 1_000_000, DifficultyHighPpm: 1_000_000, DropTruncated: true,
		StepWindows: challengetypes.MaxStepWindows, MinTeachingGroups: challengetypes.MaxGroupsPerWindow, KlTargetPpb: 100 * billion, KlHorizon: challengetypes.MaxKLHorizon,
	}
	steered := lowest
	steered.KlEstimator, steered.KlWeightPpb, steered.KlTargetPpb, steered.KlHorizon = 4, 1, 1, 1
	all := []challengetypes.Recipe{lowest, highest, steered}
	for loss := challengetypes.Loss_LOSS_CLIP; loss <= challengetypes.Loss_LOSS_SEQUENCE; loss++ {
		for _, delta := range []uint64{0, 1, billion, 100 * billion} {
			r := lowest
			r.Loss, r.DeltaPpb = loss, delta
			if r.Validate() == nil {
				all = append(all, r)
			}
		}
	}
	require.Len(t, all, 3+4+2+2+2, "four losses without delta, two bounds each of the others")
	for _, r := range all {
		require.NoError(t, r.Validate())
		require.NoError(t, learning.RecipeOf(r).Validate())
	}
}

// A number of the chain's enums means the same rule in package grpo.
func TestTheChainsNamesAreTheStepsNames(t *testing.T) {
	same := func(prefix, chain string, step fmt.Stringer) {
		require.Equal(t, strings.ToLower(strings.TrimPrefix(chain, prefix)), step.String())
	}
	for i := int32(1); i < int32(len(challengetypes.Advantage_name)); i++ {
		same("ADVANTAGE_", challengetypes.Advantage(i).String(), grpo.Advantage(i))
	}
	for i := int32(1); i < int32(len(challengetypes.Loss_name)); i++ {
		same("LOSS_", challengetypes.Loss(i).String(), grpo.Loss(i))
	}
	for i := int32(1); i < int32(len(challengetypes.Normalization_name)); i++ {
		same("NORMALIZATION_", challengetypes.Normalization(i).String(), grpo.Normalization(i))
	}
	for i := int32(1); i < int32(len(challengetypes.KLEstimator_name)); i++ {
		same("KL_ESTIMATOR_", challengetypes.KLEstimator(i).String(), grpo.KL(i))
	}
}
