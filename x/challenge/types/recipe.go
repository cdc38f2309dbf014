package types

// MaxWarmupSteps bounds a recipe's warm-up.
const MaxWarmupSteps = 1_000_000

// DefaultRecipe was measured to learn on the built-in arithmetic with rollouts up to four
// versions old.
func DefaultRecipe() Recipe {
	return Recipe{
		LearningRatePpb: 300_000, WarmupSteps: 5, Beta1Ppb: 900_000_000, Beta2Ppb: 990_000_000, EpsilonPpb: 10, WeightDecayPpb: 0,
		GradClipPpb: billion, RatioLowPpb: 800_000_000, RatioHighPpb: 1_200_000_000, AdvantageEpsPpb: 100_000, MinGroups: 8,
	}
}

// Validate holds each number to the range in which the step of package rl/grpo is
// defined. Error: ErrInvalidParams.
func (r Recipe) Validate() error {
	for _, b := range []struct {
		name                string
		value, least, limit uint64
	}{
		{"learning_rate_ppb", r.LearningRatePpb, 1, billion},
		{"warmup_steps", r.WarmupSteps, 0, MaxWarmupSteps},
		{"beta1_ppb", r.Beta1Ppb, 0, billion - 100},
		{"beta2_ppb", r.Beta2Ppb, 0, billion - 100},
		{"epsilon_ppb", r.EpsilonPpb, 1, billion},
		{"weight_decay_ppb", r.WeightDecayPpb, 0, billion},
		{"grad_clip_ppb", r.GradClipPpb, 1, 1_000_000 * billion},
		{"ratio_low_ppb", r.RatioLowPpb, 1, billion},
		{"ratio_high_ppb", r.RatioHighPpb, billion, 100 * billion},
		{"advantage_eps_ppb", r.AdvantageEpsPpb, 1, billion},
		{"min_groups", uint64(r.MinGroups), 1, MaxGroupsPerWindow},
	} {
		if b.value < b.least || b.value > b.limit {
			return ErrInvalidParams.Wrapf("recipe.%s %d is not within %d..%d", b.name, b.value, b.least, b.limit)
		}
	}
	return nil
}
