package lineage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/grpo"
)

var (
	// ErrNoStep is wrapped when a step changes nothing: every group was of zero variance, the model diverged on these
	// rollouts, or no published weight moved. The parent stands.
	ErrNoStep = errors.New("no step")
	// ErrRollouts is wrapped when what should be a rollout set is none.
	ErrRollouts = errors.New("not a rollout set")
)

// Step is what makes a version of its parent.
type Step struct {
	Version uint64   // that it makes; sets the warm-up
	Leaves  [][]byte // the rollout set, in its order
	// LogProbs of each leaf's tokens under the checkpoint that sampled them; nil, as a whole or of a leaf, takes those
	// claimed, which an exact run has compared bit for bit.
	LogProbs [][]float32
	// Given of each leaf: what of its completion the environment wrote, as Window.Given derives it; nil where none answers.
	Given []env.Given
	// TemperatureBits is the run's sampling temperature as binary32 bits.
	TemperatureBits uint32
	Recipe          Recipe
}

// Train makes the step: it takes a trainer from the parent's state to the child's. Errors: ErrNoStep, ErrRollouts, those
// of grpo.Step; the trainer is in the parent's state after any.
func Train(ctx context.Context, trainer *engine.Trainer, s Step) (grpo.Metrics, error) {
	groups, err := s.groups()
	if err != nil {
		return grpo.Metrics{}, err
	}
	metrics, err := grpo.Step(ctx, trainer, groups, s.Version, s.Recipe.Hyperparameters)
	switch {
	case errors.Is(err, grpo.ErrDiverged):
		return metrics, fmt.Errorf("%w: %w", ErrNoStep, err)
	case err != nil:
		return metrics, err
	case !metrics.Updated:
		return metrics, fmt.Errorf("%w: none of %d groups has rewards that differ", ErrNoStep, metrics.Groups)
	}
	return metrics, nil
}

// Teaching is how many groups of a rollout set something can be learned from: a step would not drop them. Error:
// ErrRollouts.
func (r Recipe) Teaching(leaves [][]byte) (int, error) {
	groups, err := Step{Leaves: leaves}.groups()
	if err != nil {
		return 0, err
	}
	n, err := r.Kept(groups)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrRollouts, err)
	}
	return n, err
}

// Made is a version as the step makes it.
type Made struct {
	Digest    []byte // checkpoint digest of the published weights
	Folder    string // where they were written
	State     []byte // content of StateFile
	StateSum  []byte // its SHA-256
	StateHash []byte
}

// Seal writes the published weights of a trainer that Train has brought to a version, below root, and computes what the
// chain will hold of it.
func Seal(root, chainID string, parent Checkpoint, s Step, trainer *engine.Trainer, tokenizerFile []byte) (Made, error) {
	manifest, folder, err := checkpoint.Write(root, trainer.Model(), tokenizerFile, checkpoint.Options{Version: s.Version, Parent: parent.Digest})
	if err != nil {
		return Made{}, fmt.Errorf("checkpoint of version %d: %w", s.Version, err)
	}
	var state bytes.Buffer
	if err := trainer.SaveState(&state); err != nil {
		return Made{}, fmt.Errorf("state of version %d: %w", s.Version, err)
	}
	m := Made{Digest: manifest.Digest(), Folder: folder, State: state.Bytes()}
	if bytes.Equal(m.Digest, parent.Digest) {
		return Made{}, fmt.Errorf("%w: no weight moved as far as the next bfloat16", ErrNoStep)
	}
	m.StateSum, m.StateHash = hashState(chainID, parent, m.Digest, m.State, checkpoint.RolloutSetDigest(s.Leaves))
	return m, nil
}

// Measure evaluates the version by its published weights, if anything is asked. Errors: those of checkpoint.Load and
// EvaluationSet.Measure.
func (m Made) Measure(ctx context.Context, set EvaluationSet, options engine.Options) (Evaluation, error) {
	if set.Problems == 0 {
		return Evaluation{}, nil
	}
	loaded, err := checkpoint.Load(m.Folder, m.Digest)
	if err != nil {
		return Evaluation{}, err
	}
	return set.Measure(ctx, engine.New(loaded.Model, options), loaded.Tokenizer)
}

func hashState(chainID string, parent Checkpoint, digest, state, rollouts []byte) (sum, hash []byte) {
	s := sha256.Sum256(state)
	h := checkpoint.StateHash(chainID, parent.Chained(chainID), digest, s[:], rollouts)
	return s[:], h[:]
}

// groups decodes the rollout set into what grpo.Step takes.
func (s Step) groups() ([]grpo.Group, error) {
	if s.LogProbs != nil && len(s.LogProbs) != len(s.Leaves) {
		return nil, fmt.Errorf("%w: log-probabilities of %d rollouts for %d", ErrRollouts, len(s.LogProbs), len(s.Leaves))
	}
	if s.Given != nil && len(s.Given) != len(s.Leaves) {
		return nil, fmt.Errorf("%w: given tokens of %d rollouts for %d", ErrRollouts, len(s.Given), len(s.Leaves))
	}
	temperature := math.Float32frombits(s.TemperatureBits)
	var groups []grpo.Group
	var last batch.Rollout
	for i, leaf := range s.Leaves {
		r, err := batch.Decode(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: rollout %d: %v", ErrRollouts, i, err)
		}
		if i == 0 || !r.SameGroup(last) {
			groups = append(groups, nil)
		}
		last = r
		rollout := grpo.Rollout{
			Prompt: r.Prompt, Completion: r.Completion, Temperature: temperature, Reward: r.Reward, Truncated: r.Finish == batch.FinishLength,
		}
		if s.Given != nil {
			rollout.Given = s.Given[i].Mask(len(r.Completion))
		}
		if s.LogProbs != nil && s.LogProbs[i] != nil {
			rollout.LogProbs = s.LogProbs[i]
		} else {
			for _, bits := range r.LogProbBits() {
				rollout.LogProbs = append(rollout.LogProbs, math.Float32frombits(bits))
			}
		}
		n := len(groups) - 1
		groups[n] = append(groups[n], rollout)
	}
	return groups, nil
}
