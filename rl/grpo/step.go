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
	Truncated   bool      // it was cut off at the length limit
	Given       []bool    // completion tokens that the environment wrote: nothing is learned from them; nil where none is
}

// sampled leaves out of what there is for each completion token the entries of those that were given.
func (r *Rollout) sampled(of []float32) []float32 {
	if r.Given == nil {
		return of
	}
	out := make([]float32, 0, len(of))
	for t, x := range of {
		if !r.Given[t] {
			out = append(out, x)
		}
	}
	return out
}

// placed puts derivatives by sampled tokens in their places, with 0 at those that were given.
func (r *Rollout) placed(d []float32) []float32 {
	if r.Given == nil {
		return d
	}
	out := make([]float32, len(r.Given))
	for t := range out {
		if !r.Given[t] {
			out[t], d = d[0], d[1:]
		}
	}
	return out
}

// tokens is the number of completion tokens that were sampled.
func (r *Rollout) tokens() int {
	n := len(r.Completion)
	for _, given := range r.Given {
		if given {
			n--
		}
	}
	return n
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
	RatioLow     float32 // lower bound of the probability ratio, see Loss
	RatioHigh    float32 // upper bound
	Delta        float32 // TwoSided: bound of the ratio; Divergence: of the difference of probabilities; else unused
	AdvantageEps float32 // added to a group's standard deviation

	Advantage      Advantage
	Loss           Loss
	Normalization  Normalization
	ConstantLength uint32  // tokens; of ByConstant
	KL             KL      // against the weights that sampled
	KLWeight       float32 // of the divergence in the loss; with a target the one that an adaptive weight begins with
	KLTarget       float32 // nats a token, to which an adaptive weight steers the divergence; 0: the weight is fixed
	KLHorizon      float32 // rollouts: how slowly it steers
	EntropyWeight  float32 // of the entropy, which is estimated from the sampled tokens, as a bonus
	LengthWeight   float32 // coefficient of ShapeByLength

	// Groups whose mean reward, in millionths, is outside of [DifficultyLow, DifficultyHigh] are dropped: too hard or too
	// easy to learn from.
	DifficultyLow, DifficultyHigh uint32
	// DropTruncated leaves rollouts that were cut off out of the loss (DAPO's overlong filtering); they still count for
	// their group's mean.
	DropTruncated bool
}

// Default returns the recipe that was measured to learn with rollouts up to two versions old.
func Default() Hyperparameters {
	return Hyperparameters{
		LearningRate: 3e-4, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, WeightDecay: 0, GradClip: 1,
		WarmupSteps: 5, RatioLow: 0.8, RatioHigh: 1.2, AdvantageEps: 1e-4,
		Advantage: GroupStd, Loss: Clip, Normalization: ByTokens, KL: NoKL, DifficultyHigh: 1_000_000,
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
		{"advantage must be a known estimator", known(advantageNames, uint32(h.Advantage))},
		{"loss must be a known objective", known(lossNames, uint32(h.Loss))},
		{"normalization must be a known divisor", known(normalizationNames, uint32(h.Normalization))},
		{"KL must be a known estimator, or none", known(klNames, uint32(h.KL))},
		{"delta must be in [1, 100] for two_sided", h.Loss != TwoSided || h.Delta >= 1 && h.Delta <= 100},
		{"delta must be above 0 and at most 1 for divergence", h.Loss != Divergence && h.Loss != DivergenceBoth || h.Delta > 0 && h.Delta <= 1},
		{"constant length must be 1 to 1048576", h.Normalization != ByConstant || h.ConstantLength >= 1 && h.ConstantLength <= 1<<20},
		{"KL weight must be in [0, 1]", h.KLWeight >= 0 && h.KLWeight <= 1},
		{"KL target must be in [0, 100]", h.KLTarget >= 0 && h.KLTarget <= 100},
		{"a KL target needs an estimator, a weight above 0 and a horizon of 1 to 1e9 rollouts",
			h.KLTarget == 0 || h.KL != NoKL && h.KLWeight > 0 && h.KLHorizon >= 1 && h.KLHorizon <= 1e9},
		{"entropy weight must be in [0, 1]", h.EntropyWeight >= 0 && h.EntropyWeight <= 1},
		{"length weight must be in [0, 1]", h.LengthWeight >= 0 && h.LengthWeight <= 1},
		{"difficulty must be a range within 0 to 1000000", h.DifficultyLow <= h.DifficultyHigh && h.DifficultyHigh <= 1_000_000},
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
	Difficulty       int     `json:"difficulty"`         // dropped: mean reward outside of the band
	Truncated        int     `json:"truncated"`          // rollouts of kept groups that were cut off
	Rollouts         int     `json:"rollouts"`           // given
	RewardMean       float64 `json:"reward_mean"`        // over all rollouts given
	ZeroVarianceRate float64 `json:"zero_variance_rate"` // ZeroVariance / Groups
	Tokens           int     `json:"tokens"`             // sampled completion tokens trained on
	ClipFraction     float64 `json:"clip_fraction"`      // share of Tokens whose gradient was cut off
	Loss             float64 `json:"loss"`               // before the update
	Entropy          float64 `json:"entropy"`            // mean of -logp over Tokens, nats
	KL               float64 `json:"kl"`                 // mean of K3 over Tokens, nats: how far the weights are from those that sampled
	KLWeight         float32 `json:"kl_weight"`          // of the divergence in this step's loss
	Ratio            float64 `json:"ratio"`              // mean probability ratio over Tokens
	GradNorm         float32 `json:"grad_norm"`          // before clipping
	Updated          bool    `json:"updated"`            // false: nothing was kept, the weights are the parent's
	// Gradient is engine.Trainer.GradientDigest before the update. It is a secret of those who make the step, and so never
	// written down.
	Gradient [32]byte `json:"-"`
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
// Where the weight of the divergence is adaptive, the trainer's coefficient is that weight: the step takes it from there,
// or from h the first time, and leaves the next step's. Else it leaves none.
//
// The new state depends on the trainer's, the groups in order, version and h alone. After an error (ErrBadGroup,
// ErrBadHyperparameters, ErrDiverged, the context's) the trainer is in the state that it was in before.
func Step(ctx context.Context, trainer *engine.Trainer, groups []Group, version uint64, h Hyperparameters) (Metrics, error) {
	if err := h.Validate(); err != nil {
		return Metrics{}, err
	}
	m, kept, err := h.choose(groups)
	if err != nil || m.KeptGroups == 0 {
		return m, err
	}

	h.KLWeight = h.klWeight(trainer)
	m.KLWeight = h.KLWeight
	sequences := make([]engine.TrainSequence, len(kept.rollouts))
	for i, r := range kept.rollouts {
		tokens := make([]int32, 0, len(r.Prompt)+len(r.Completion))
		sequences[i] = engine.TrainSequence{
			Tokens: append(append(tokens, r.Prompt...), r.Completion...), Prompt: len(r.Prompt), Temperature: r.Temperature,
		}
	}
	cut := 0
	gradient := func(i int, logp []float32) []float32 {
		r := &kept.rollouts[i]
		logp, behaviour := r.sampled(logp), r.sampled(r.LogProbs)
		d := make([]float32, len(logp))
		divisor := h.divisor(len(logp), m.Tokens, len(kept.rollouts))
		for t, token := range h.Loss.Rollout(logp, behaviour, kept.advantages[i], h.bounds()) {
			m.observe(logp[t], behaviour[t])
			if token.Cut {
				cut++
			}
			h.regularize(&token, logp[t], behaviour[t])
			d[t] = token.DLogP / divisor
			m.Loss += float64(token.Loss) / float64(divisor)
		}
		return r.placed(d)
	}
	if err := trainer.Accumulate(ctx, sequences, gradient); err != nil {
		return m, trainError(err)
	}
	m.ClipFraction = float64(cut) / float64(m.Tokens)
	m.Gradient = trainer.GradientDigest()
	m.Entropy, m.KL, m.Ratio = m.Entropy/float64(m.Tokens), m.KL/float64(m.Tokens), m.Ratio/float64(m.Tokens)
	// The settings are in range, so an error can only be about values that are not finite.
	if m.GradNorm, err = trainer.Step(h.optimizer(version)); err != nil {
		return m, fmt.Errorf("%w: %w", ErrDiverged, err)
	}
	h.adapt(trainer, m.KL, len(kept.rollouts))
	m.Updated = true
	return m, nil
}

func (h Hyperparameters) bounds() Bounds {
	return Bounds{Low: h.RatioLow, High: h.RatioHigh, Delta: h.Delta}
}

// divisor of what the tokens of one rollout add.
func (h Hyperparameters) divisor(length, tokens, rollouts int) float32 {
	switch h.Normalization {
	case BySequences:
		return float32(length) * float32(rollouts)
	case ByConstant:
		return float32(h.ConstantLength) * float32(rollouts)
	}
	return float32(tokens)
}

// regularize adds the divergence and the entropy's bonus. The gradient of the entropy is estimated by that of
// logp*logp/2, the mean score being 0.
func (h Hyperparameters) regularize(t *Token, logp, behaviour float32) {
	if h.KLWeight > 0 {
		value, dlogp := h.KL.Token(logp, behaviour)
		t.Loss += float32(h.KLWeight * value)
		t.DLogP += float32(h.KLWeight * dlogp)
	}
	if h.EntropyWeight > 0 {
		bounded := max(logp, -maxLog)
		t.Loss += float32(h.EntropyWeight * bounded)
		t.DLogP += float32(h.EntropyWeight * bounded)
	}
}

// observe adds a token to the metrics that are means over tokens.
func (m *Metrics) observe(logp, behaviour float32) {
	if logp != logp || behaviour != behaviour {
		return
	}
	kl, _ := K3.Token(logp, behaviour)
	m.Entropy -= float64(max(logp, -maxLog))
	m.KL += float64(kl)
	m.Ratio += float64(engine.Exp(min(max(logp-behaviour, -maxLogRatio), maxLogRatio)))
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
func (h Hyperparameters) choose(groups []Group) (Metrics, selection, error) {
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
		case !h.teaches(rewards):
			m.Difficulty++
		default:
			if h.keep(group, rewards, &kept, &m) {
				m.KeptGroups++
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

// Kept is how many of the groups Step would train on. Error: ErrBadGroup.
func (h Hyperparameters) Kept(groups []Group) (int, error) {
	m, _, err := h.choose(groups)
	return m.KeptGroups, err
}

// teaches reports whether the mean reward is within the band of difficulty.
func (h Hyperparameters) teaches(rewards []uint32) bool {
	var sum uint64
	for _, r := range rewards {
		sum += uint64(r)
	}
	n := uint64(len(rewards))
	return sum >= n*uint64(h.DifficultyLow) && sum <= n*uint64(h.DifficultyHigh)
}

// keep adds a group to what is trained on; false if all of it was cut off and such rollouts are left out.
func (h Hyperparameters) keep(group Group, rewards []uint32, kept *selection, m *Metrics) bool {
	r := inUnits(rewards)
	if h.LengthWeight > 0 {
		lengths := make([]int, len(group))
		for i := range group {
			lengths[i] = group[i].tokens()
		}
		ShapeByLength(r, lengths, h.LengthWeight)
	}
	any := false
	for i, a := range h.Advantage.of(r, h.AdvantageEps) {
		if group[i].Truncated {
			m.Truncated++
			if h.DropTruncated {
				continue
			}
		}
		any = true
		kept.rollouts, kept.advantages = append(kept.rollouts, group[i]), append(kept.advantages, a)
		m.Tokens += group[i].tokens()
	}
	return any
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
		case r.Given != nil && len(r.Given) != len(r.Completion):
			return fmt.Errorf("rollout %d says of %d tokens whether they were given, not of %d", i, len(r.Given), len(r.Completion))
		case r.tokens() == 0:
			return fmt.Errorf("rollout %d has no token that was sampled", i)
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
