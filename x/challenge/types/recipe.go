package types

const (
	// MaxWarmupSteps bounds a recipe's warm-up.
	MaxWarmupSteps = 1_000_000
	// MaxConstantLength bounds, in tokens, what the constant normalization divides by.
	MaxConstantLength = 1 << 20
	// MaxStepWindows bounds the windows that a step trains on.
	MaxStepWindows = 8
	// MaxKLHorizon bounds, in rollouts, how slowly the divergence's weight adapts.
	MaxKLHorizon = billion
)

// DefaultRecipe was measured to learn on the built-in arithmetic with rollouts up to four
// versions old.
func DefaultRecipe() Recipe {
	return Recipe{
		LearningRatePpb: 300_000, WarmupSteps: 5, Beta1Ppb: 900_000_000, Beta2Ppb: 990_000_000, EpsilonPpb: 10, WeightDecayPpb: 0,
		GradClipPpb: billion, RatioLowPpb: 800_000_000, RatioHighPpb: 1_200_000_000, AdvantageEpsPpb: 100_000, MinGroups: 8,
		Advantage: Advantage_ADVANTAGE_GROUP_STD, Loss: Loss_LOSS_CLIP, Normalization: Normalization_NORMALIZATION_TOKENS,
		KlEstimator: KLEstimator_KL_ESTIMATOR_NONE, DifficultyHighPpm: Million, StepWindows: 1,
	}
}

// Validate holds each number to the range in which the step of package rl/grpo is
// defined. Error: ErrInvalidParams.
func (r Recipe) Validate() error {
	for _, b := range []bound{
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
		{"advantage", uint64(r.Advantage), 1, uint64(Advantage_ADVANTAGE_MAX_RL)},
		{"loss", uint64(r.Loss), 1, uint64(Loss_LOSS_SEQUENCE)},
		{"normalization", uint64(r.Normalization), 1, uint64(Normalization_NORMALIZATION_CONSTANT)},
		{"kl_estimator", uint64(r.KlEstimator), 1, uint64(KLEstimator_KL_ESTIMATOR_K3)},
		{"kl_weight_ppb", r.KlWeightPpb, 0, billion},
		{"entropy_weight_ppb", r.EntropyWeightPpb, 0, billion},
		{"length_weight_ppb", r.LengthWeightPpb, 0, billion},
		{"difficulty_high_ppm", uint64(r.DifficultyHighPpm), 0, Million},
		{"difficulty_low_ppm", uint64(r.DifficultyLowPpm), 0, uint64(r.DifficultyHighPpm)},
		{"step_windows", uint64(r.StepWindows), 1, MaxStepWindows},
		{"min_teaching_groups", uint64(r.MinTeachingGroups), 0, MaxGroupsPerWindow},
		r.delta(),
		r.constantLength(),
		r.klTarget(),
		r.klHorizon(),
	} {
		if b.value < b.least || b.value > b.limit {
			return ErrInvalidParams.Wrapf("recipe.%s %d is not within %d..%d", b.name, b.value, b.least, b.limit)
		}
	}
	if r.KlTargetPpb > 0 && r.KlWeightPpb == 0 {
		return ErrInvalidParams.Wrap("recipe.kl_weight_ppb 0 stays 0: with kl_target_ppb it is where the weight begins")
	}
	return r.validateSwarm()
}

// bound of one number of a recipe.
type bound struct {
	name                string
	value, least, limit uint64
}

// delta is in use with some losses alone, and 0 with all others.
func (r Recipe) delta() bound {
	switch r.Loss {
	case Loss_LOSS_TWO_SIDED:
		return bound{"delta_ppb", r.DeltaPpb, billion, 100 * billion}
	case Loss_LOSS_DIVERGENCE, Loss_LOSS_DIVERGENCE_BOTH:
		return bound{"delta_ppb", r.DeltaPpb, 1, billion}
	}
	return bound{"delta_ppb", r.DeltaPpb, 0, 0}
}

// constantLength is in use with one normalization alone, and 0 with the others.
func (r Recipe) constantLength() bound {
	if r.Normalization == Normalization_NORMALIZATION_CONSTANT {
		return bound{"constant_length", uint64(r.ConstantLength), 1, MaxConstantLength}
	}
	return bound{"constant_length", uint64(r.ConstantLength), 0, 0}
}

// klTarget needs an estimator of the divergence.
func (r Recipe) klTarget() bound {
	if r.KlEstimator == KLEstimator_KL_ESTIMATOR_NONE {
		return bound{"kl_target_ppb", r.KlTargetPpb, 0, 0}
	}
	return bound{"kl_target_ppb", r.KlTargetPpb, 0, 100 * billion}
}

// klHorizon is in use with a target alone, and 0 without.
func (r Recipe) klHorizon() bound {
	if r.KlTargetPpb > 0 {
		return bound{"kl_horizon", r.KlHorizon, 1, MaxKLHorizon}
	}
	return bound{"kl_horizon", r.KlHorizon, 0, 0}
}
