package grpo

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/galahad-network/galahad/rl/engine"
)

var (
	// ErrBadHyperparameters is wrapped by every refusal of Hyperparameters.Validate.
	ErrBadHyperparameters = errors.New("bad hyperparameters")
	// ErrBadGroup is wrapped when a group cannot be trained on because of its shape: no rollout, an empty prompt or
	// completion, or not one log-probability per completion token. Verified rollouts never cause it.
	ErrBadGroup = errors.New("bad group")
	// ErrDiverged is wrapped when the model cannot be trained on these rollouts: logits, gradients or the updated weights
	// are not finite, or a sequence does not fit the model.
	ErrDiverged = errors.New("the model cannot be trained on these rollouts")
)

// Rollout is one completion as the learner sees it.
type Rollout struct {
	Prompt      []int32   // prompt tokens, at least one
	Completion  []int32   // completion tokens, at least one
	LogProbs    []float32 // behaviour log-probabilities, one per completion token
	Temperature float32   // at which it was sampled and its log-probabilities were recorded; 0 means 1
	Reward      uint32    // millionths
}

// Group is the rollouts of one prompt, in index order.
type Group []Rollout

// Hyperparameters of the train step. The zero value is refused; Default gives the measured recipe.
type Hyperparameters struct {
	LearningRate float32 // after warm-up
	Beta1, Beta2 float32 // AdamW
	Epsilon      float32 // AdamW
	WeightDecay  float32 // AdamW
	GradClip     float32 // bound of the gradient's global norm
	WarmupSteps  uint64  // the learning rate rises linearly over this many updates; 0 = none
	RatioLow     float32 // lower clip bound of the probability ratio
	RatioHigh    float32 // upper clip bound
	AdvantageEps float32 // added to a group's standard deviation
}

// Default returns the recipe that was measured to learn with rollouts up to two versions old.
func Default() Hyperparameters {
	return Hyperparameters{
		LearningRate: 3e-4, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, WeightDecay: 0, GradClip: 1,
		WarmupSteps: 5, RatioLow: 0.8, RatioHigh: 1.2, AdvantageEps: 1e-4,
	}
}

// Validate names the first field that is out of range; its error wraps ErrBadHyperparameters.
func (h Hyperparameters) Validate() error {
	checks := []struct {
		name string
		ok   bool
	}{
		// Written so that NaN fails every line.
		{"learning rate must be above 0 and at most 1", h.LearningRate > 0 && h.LearningRate <= 1},
		{"beta1 must be in [0, 1)", h.Beta1 >= 0 && h.Beta1 < 1},
		{"beta2 must be in [0, 1)", h.Beta2 >= 0 && h.Beta2 < 1},
		{"epsilon must be above 0 and at most 1", h.Epsilon > 0 && h.Epsilon <= 1},
		{"weight decay must be in [0, 1]", h.WeightDecay >= 0 && h.WeightDecay <= 1},
		{"gradient clip must be above 0 and finite", h.GradClip > 0 && h.GradClip <= math.MaxFloat32},
		{"lower ratio bound must be in (0, 1]", h.RatioLow > 0 && h.RatioLow <= 1},
		{"upper ratio bound must be in [1, 100]", h.RatioHigh >= 1 && h.RatioHigh <= 100},
		{"advantage epsilon must be above 0 and at most 1", h.AdvantageEps > 0 && h.AdvantageEps <= 1},
	}
	for _, c := range checks {
		if !c.ok {
			return fmt.Errorf("%w: %s", ErrBadHyperparameters, c.name)
		}
	}
	return nil
}

// optimizer returns AdamW's settings for the update that makes the given version (1 is the first after the base).
func (h Hyperparameters) optimizer(version uint64) engine.AdamW {
	lr := h.LearningRate
	if version < h.WarmupSteps {
		lr *= float32(version) / float32(h.WarmupSteps)
	}
	return engine.AdamW{
		LR: lr, Beta1: h.Beta1, Beta2: h.Beta2, Eps: h.Epsilon, WeightDecay: h.WeightDecay, Clip: h.GradClip,
	}
}

// Metrics describe one step. Shares are of 0..1; a share whose whole is empty is 0.
type Metrics struct {
	Groups           int     `json:"groups"`             // given
	KeptGroups       int     `json:"kept_groups"`        // trained on
	ZeroVariance     int     `json:"zero_variance"`      // dropped: all rewards equal
	AllCorrect       int     `json:"all_correct"`        // of ZeroVariance: every reward the full one
	NonFinite        int     `json:"non_finite"`         // dropped: a recorded log-probability is not finite
	Rollouts         int     `json:"rollouts"`           // given
	RewardMean       float64 `json:"reward_mean"`        // over all rollouts given
	ZeroVarianceRate float64 `json:"zero_variance_rate"` // ZeroVariance / Groups
	Tokens           int     `json:"tokens"`             // completion tokens trained on
	ClipFraction     float64 `json:"clip_fraction"`      // share of Tokens whose gradient was cut off
	Loss             float64 `json:"loss"`               // mean over Tokens, before the update
	GradNorm         float32 `json:"grad_norm"`          // before clipping
	Updated          bool    `json:"updated"`            // false: nothing was kept, the weights are the parent's
}

// selection is what is left of the groups: flat, in order, with the advantage of each rollout.
type selection struct {
	rollouts   []Rollout
	advantages []float32
}

// Step makes one update of the trainer on the groups, in their order, and returns what it saw. version is the version
// that the update makes; it only sets the warm-up. Groups of zero variance or with a recorded log-probability that is
// not finite are dropped; when nothing is left the trainer is untouched and Metrics.Updated is false.
//
// The new weights depend on the trainer's state, the groups in order, version and h alone. After an error (ErrBadGroup,
// ErrBadHyperparameters, ErrDiverged, the context's) the trainer is in the state that it was in before.
func Step(ctx context.Context, trainer *engine.Trainer, groups []Group, version uint64, h Hyperparameters) (Metrics, error) {
	if err := h.Validate(); err != nil {
		return Metrics{}, err
	}
	m, kept, err := choose(groups, h.AdvantageEps)
	if err != nil || m.KeptGroups == 0 {
		return m, err
	}

	sequences := make([]engine.TrainSequence, len(kept.rollouts))
	for i, r := range kept.rollouts {
		tokens := make([]int32, 0, len(r.Prompt)+len(r.Completion))
		sequences[i] = engine.TrainSequence{
			Tokens: append(append(tokens, r.Prompt...), r.Completion...), Prompt: len(r.Prompt), Temperature: r.Temperature,
		}
	}
	n := float32(m.Tokens)
	cut := 0
	gradient := func(i int, logp []float32) []float32 {
		d := make([]float32, len(logp))
		for t, lp := range logp {
			loss, dlogp, clipped := TokenLoss(lp, kept.rollouts[i].LogProbs[t], kept.advantages[i], h.RatioLow, h.RatioHigh)
			d[t] = dlogp / n
			m.Loss += float64(loss)
			if clipped {
				cut++
			}
		}
		return d
	}
	if err := trainer.Accumulate(ctx, sequences, gradient); err != nil {
		return m, trainError(err)
	}
	m.Loss /= float64(m.Tokens)
	m.ClipFraction = float64(cut) / float64(m.Tokens)
	// The settings are in range, so an error can only be about values that are not finite.
	if m.GradNorm, err = trainer.Step(h.optimizer(version)); err != nil {
		return m, fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	m.Updated = true
	return m, nil
}

// trainError tells a model that cannot be trained on these rollouts from a call that was cut short.
func trainError(err error) error {
	var input *engine.InputError
	if errors.As(err, &input) {
		return fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	return err
}

// choose applies the filters and computes the advantages; the counts of the returned Metrics are complete.
func choose(groups []Group, eps float32) (Metrics, selection, error) {
	m := Metrics{Groups: len(groups)}
	var kept selection
	var rewardSum uint64
	for g, group := range groups {
		if err := group.check(); err != nil {
			return Metrics{}, selection{}, fmt.Errorf("%w %d: %v", ErrBadGroup, g, err)
		}
		rewards := make([]uint32, len(group))
		for i, r := range group {
			rewards[i] = r.Reward
			rewardSum += uint64(r.Reward)
		}
		m.Rollouts += len(group)
		switch {
		case !group.finite():
			m.NonFinite++
		case ZeroVariance(rewards):
			m.ZeroVariance++
			if float32(rewards[0]) == millionth {
				m.AllCorrect++
			}
		default:
			m.KeptGroups++
			kept.rollouts = append(kept.rollouts, group...)
			kept.advantages = append(kept.advantages, Advantages(rewards, eps)...)
			for _, r := range group {
				m.Tokens += len(r.Completion)
			}
		}
	}
	if m.Rollouts > 0 {
		m.RewardMean = float64(rewardSum) / 1e6 / float64(m.Rollouts)
	}
	if m.Groups > 0 {
		m.ZeroVarianceRate = float64(m.ZeroVariance) / float64(m.Groups)
	}
	return m, kept, nil
}

func (g Group) check() error {
	if len(g) == 0 {
		return errors.New("no rollout")
	}
	for i, r := range g {
		switch {
		case len(r.Prompt) == 0:
			return fmt.Errorf("rollout %d has no prompt", i)
		case len(r.Completion) == 0:
			return fmt.Errorf("rollout %d has no completion", i)
		case len(r.LogProbs) != len(r.Completion):
			return fmt.Errorf("rollout %d has %d log-probabilities for %d tokens", i, len(r.LogProbs), len(r.Completion))
		}
	}
	return nil
}

func (g Group) finite() bool {
	for _, r := range g {
		for _, lp := range r.LogProbs {
			if !isFinite(lp) {
				return false
			}
		}
	}
	return true
}

// isFinite is false for NaN and both infinities.
func isFinite(x float32) bool { return x-x == 0 }
