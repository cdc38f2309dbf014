package lineage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/galahad-network/galahad/rl/batch"
	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/grpo"
	"github.com/galahad-network/galahad/rl/tokenizer"
	"github.com/galahad-network/galahad/rl/verify/replay"
)

// ErrParent is wrapped when the chain does not have the parent of a version.
var ErrParent = errors.New("the chain does not have the parent")

// differenceTime is how long a replay looks for where wrong weights differ: the verdict stands without.
const differenceTime = 2 * time.Minute

// Reader is what a replay reads of the chain. Methods return the context's error when that ends.
type Reader interface {
	ChainID() string
	// Checkpoint returns the run's checkpoint of a version; found is false if there is none.
	Checkpoint(ctx context.Context, run, version uint64) (c Checkpoint, found bool, err error)
	// Window returns a settled window.
	Window(ctx context.Context, run, window uint64) (Window, error)
}

// Replayer makes versions again and compares. It is for one goroutine.
type Replayer struct {
	Chain   Reader
	Run     uint64
	Files   Files
	Options engine.Options
	Dir     string // for checkpoints while they are compared
	Turn    Turn   // for the step, not for what is downloaded; nil: none is needed

	zero    *checkpoint.Checkpoint // version 0, once it was needed
	trainer *engine.Trainer        // in the state after the version of digest at; nil: none
	at      []byte
}

// Report is what a replay saw.
type Report struct {
	Version uint64       `json:"version"`
	Match   bool         `json:"match"`
	Detail  string       `json:"detail,omitempty"` // what differs first
	Metrics grpo.Metrics `json:"metrics"`
	Digest  []byte       `json:"digest"`     // of the replay
	State   []byte       `json:"state_hash"` // of the replay
	Secret  Secret       `json:"-"`          // of the step; zero if none was made
	// Evaluation by the replay, of a version whose weights and state match.
	Evaluation Evaluation `json:"evaluation"`
}

// Parent returns the version that a checkpoint was made from. Errors: ErrParent, the chain's.
func (r *Replayer) Parent(ctx context.Context, c Checkpoint) (Checkpoint, error) {
	for v := c.Version; v > 0; v-- {
		p, found, err := r.Chain.Checkpoint(ctx, r.Run, v-1)
		if err != nil {
			return Checkpoint{}, err
		}
		if found && bytes.Equal(p.Digest, c.Parent) {
			return p, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("version %d: %w, %x", c.Version, ErrParent, c.Parent)
}

// Replay makes a version again of its parent and the rollout set, under the recipe and the temperature of the newest of the
// windows that it was trained on, measures it again, and compares. An error says that it could not: the chain's, those of Files, the
// engine's, ErrGiven, ErrSampler. A step that changes nothing, when one was published, is a difference. A difference says nothing where
// this build does not conform to a window; see Window.Conforms.
func (r *Replayer) Replay(ctx context.Context, c Checkpoint, ws Windows, leaves [][]byte) (report Report, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(r.Dir)) }()
	report = Report{Version: c.Version}
	if !bytes.Equal(checkpoint.RolloutSetDigest(leaves), c.RolloutSet) {
		return report, fmt.Errorf("version %d: %w with the root %x", c.Version, ErrRollouts, c.RolloutSet)
	}
	parent, err := r.Parent(ctx, c)
	if err != nil {
		return report, err
	}
	trainer, tokenizerFile, err := r.open(ctx, parent)
	if err != nil {
		return report, err
	}
	newest := ws.Newest()
	s := Step{Version: c.Version, Leaves: leaves, TemperatureBits: newest.Challenge.Generation.TemperatureBits, Recipe: newest.Recipe}
	parts, err := ws.Split(leaves)
	if err != nil {
		report.Detail = err.Error()
		return report, nil
	}
	samplers, err := r.samplers(ctx, ws, parts)
	if err != nil {
		return report, err
	}
	done, err := r.Turn.take(ctx)
	if err != nil {
		return report, err
	}
	s.Given, err = ws.given(r.zero.Tokenizer, parts)
	if err == nil {
		s.LogProbs, err = logProbs(ctx, samplers, ws, parts)
	}
	if err == nil {
		report.Metrics, err = Train(ctx, trainer, s)
	}
	done()
	var made Made
	if err == nil {
		made, err = Seal(r.Dir, r.Chain.ChainID(), parent, s, trainer, tokenizerFile)
	}
	switch {
	case errors.Is(err, ErrNoStep), errors.Is(err, ErrRollouts):
		report.Detail = err.Error()
		return report, nil
	case err != nil:
		return report, err
	}
	report.Digest, report.State, report.Secret = made.Digest, made.StateHash, Secret(report.Metrics.Gradient)
	same := bytes.Equal(made.Digest, c.Digest) && bytes.Equal(made.StateHash, c.StateHash)
	if !same || !bytes.Equal(report.Secret.Key(), c.StepKey) {
		looking, cancel := context.WithTimeout(ctx, differenceTime)
		defer cancel()
		if report.Detail, err = r.difference(looking, c, made); err != nil {
			report.Detail = fmt.Sprintf("weights are %x, published are %x, which cannot be had: %v", made.Digest, c.Digest, err)
		}
		return report, nil
	}
	r.trainer, r.at = trainer, c.Digest
	set := newest.EvaluationSet()
	set.Problems = c.Evaluation.Problems // as the chain held it against the window
	if report.Evaluation, err = r.measure(ctx, set, made); err != nil {
		return report, err
	}
	if report.Match = report.Evaluation == c.Evaluation; !report.Match {
		report.Detail = fmt.Sprintf("weights and state match, the evaluation does not: %d of %d held-out problems are right, published are %d",
			report.Evaluation.Correct, c.Evaluation.Problems, c.Evaluation.Correct)
	}
	return report, nil
}

// measure evaluates a version that was made here.
func (r *Replayer) measure(ctx context.Context, set EvaluationSet, made Made) (Evaluation, error) {
	done, err := r.Turn.take(ctx)
	if err != nil {
		return Evaluation{}, err
	}
	defer done()
	return made.Measure(ctx, set, r.Options)
}

// samplers are the engines of the checkpoints that sampled the windows' sources; nil for those of an exact run, and for those
// that nothing is taken from: nobody may be able to say any more what sampled them.
func (r *Replayer) samplers(ctx context.Context, ws Windows, parts [][][]byte) ([]*engine.Engine, error) {
	var out []*engine.Engine
	have := map[string]*engine.Engine{} // by digest
	for i, w := range ws.Sources() {
		eng := have[string(w.Challenge.Checkpoint)]
		if w.Challenge.Tolerance == nil || len(parts[i]) == 0 {
			eng = nil
		} else if eng == nil {
			loaded, err := r.Files.Sampler(ctx, r.Chain, w, r.Dir)
			if err != nil {
				return nil, err
			}
			eng = engine.New(loaded.Model, r.Options)
			have[string(w.Challenge.Checkpoint)] = eng
		}
		out = append(out, eng)
	}
	return out, nil
}

// logProbs computes those of each source's part of a rollout set, under what sampled it; nil where that is an exact run.
func logProbs(ctx context.Context, samplers []*engine.Engine, ws Windows, parts [][][]byte) (out [][]float32, err error) {
	some := false
	for i, w := range ws.Sources() {
		own := make([][]float32, len(parts[i]))
		if samplers[i] != nil {
			some = true
			rollouts, err := batch.Batch{Leaves: parts[i]}.Rollouts()
			if err != nil {
				return nil, fmt.Errorf("%w: %v", ErrRollouts, err)
			}
			if own, err = replay.LogProbs(ctx, samplers[i], w.Challenge.Generation, rollouts); err != nil {
				return nil, err
			}
		}
		out = append(out, own...)
	}
	if !some {
		return nil, nil
	}
	return out, nil
}

// open returns a trainer in the state after a version, and the tokenizer file.
func (r *Replayer) open(ctx context.Context, c Checkpoint) (*engine.Trainer, []byte, error) {
	base, err := r.base(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("base model: %w", err)
	}
	trainer := r.trainer
	r.trainer = nil // it is about to move on
	switch {
	case trainer != nil && bytes.Equal(r.at, c.Digest):
		return trainer, base.TokenizerFile, nil
	case c.Version == 0:
		return engine.NewTrainer(base.Model, r.Options), base.TokenizerFile, nil
	}
	parent, err := r.Parent(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	files := r.Files
	files.MaxStateBytes = min(files.MaxStateBytes, base.Model.Config().MaxStateBytes())
	state, err := files.State(ctx, r.Chain.ChainID(), parent, c)
	if err != nil {
		return nil, nil, err
	}
	trainer, err = engine.LoadTrainer(state, r.Options)
	return trainer, base.TokenizerFile, err
}

// Tokenizer is the run's, as its version 0 has it.
func (r *Replayer) Tokenizer(ctx context.Context) (tokenizer.Tokenizer, error) {
	base, err := r.base(ctx)
	if err != nil {
		return nil, fmt.Errorf("base model: %w", err)
	}
	return base.Tokenizer, nil
}

// base is the run's version 0: the shipped model, or what its locator has.
func (r *Replayer) base(ctx context.Context) (*checkpoint.Checkpoint, error) {
	if r.zero != nil {
		return r.zero, nil
	}
	zero, found, err := r.Chain.Checkpoint(ctx, r.Run, 0)
	if err != nil || !found {
		return nil, errors.Join(err, ErrParent)
	}
	base, err := r.Files.Checkpoint(ctx, zero, r.Dir)
	if err == nil {
		r.zero = base
	}
	return base, err
}

// difference says what is not the same: the first tensor of the published weights that differs, or what is hashed with
// them.
func (r *Replayer) difference(ctx context.Context, c Checkpoint, made Made) (string, error) {
	switch {
	case !bytes.Equal(made.Digest, c.Digest):
	case !bytes.Equal(made.StateHash, c.StateHash):
		return fmt.Sprintf("the weights match, the state hash does not: it is %x, published is %x", made.StateHash, c.StateHash), nil
	default:
		return "weights and state match, the step key does not: nobody who makes the step could attest it", nil
	}
	mine, err := checkpoint.Load(made.Folder, made.Digest)
	if err != nil {
		return "", err
	}
	files := r.Files
	files.maxBytes = mine.Manifest.Size()
	theirs, err := files.Checkpoint(ctx, c, r.Dir)
	if err != nil {
		return "", err
	}
	for _, name := range mine.Model.TensorNames() {
		a, shape := mine.Model.Tensor(name)
		b, other := theirs.Model.Tensor(name)
		if len(a) != len(b) {
			return fmt.Sprintf("tensor %s: its shape is %v, published is %v", name, shape, other), nil
		}
		different, first := 0, 0
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				if different == 0 {
					first = i
				}
				different++
			}
		}
		if different > 0 {
			return fmt.Sprintf("tensor %s: %d of %d weights differ, the first at %d: it is %v, published is %v",
				name, different, len(a), first, a[first], b[first]), nil
		}
	}
	return "the weights match, the tokenizer or the way they are written does not", nil
}
