package learner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/galahad-network/galahad/chain/daemon"
	"github.com/galahad-network/galahad/learner/evaluate"
	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/rl/env"
	"github.com/galahad-network/galahad/rl/lineage"
)

// wakeEvaluator tells the evaluator that there is something new; it never waits.
func (d *Daemon) wakeEvaluator() {
	select {
	case d.measure <- struct{}{}:
	default:
	}
}

// evaluate measures versions beside the training loop, the newest unmeasured one first, so that publishing never waits
// for it. What cannot be measured is logged and left out of the curve.
func (d *Daemon) evaluate(ctx context.Context) error {
	skip := map[uint64]bool{}
	for {
		r, found, err := d.unmeasured(skip)
		if err != nil {
			return err
		}
		if !found {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-d.measure:
			}
			continue
		}
		start := time.Now()
		a, err := d.accuracyOf(ctx, r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			skip[r.Version] = true
			d.log.Warn("version cannot be measured", "version", r.Version, "error", err)
			continue
		}
		if err := errors.Join(d.core.journal.Measured(r.Version, a), d.publishEvaluation(r, a)); err != nil {
			return err
		}
		d.metrics.seconds.WithLabelValues("evaluate").Observe(time.Since(start).Seconds())
		d.metrics.accuracy.Set(a.Value)
		d.log.Info("accuracy measured", "version", r.Version, "accuracy", fmt.Sprintf("%.3f", a.Value), "ci95",
			fmt.Sprintf("%.3f..%.3f", a.Low, a.High), "n", a.N, "seconds", round(time.Since(start)))
	}
}

// evaluation is what EvaluationFile holds: how the accuracy was measured, and what it is.
type evaluation struct {
	Version  uint64 `json:"version"`
	Env      string `json:"env"`
	Problems int    `json:"problems"`
	MaxNew   int    `json:"max_new"`
	Seed     uint64 `json:"seed"` // with it galahad-learner eval asks the same
	Accuracy
}

// publishEvaluation puts a version's accuracy beside its files, which are served.
func (d *Daemon) publishEvaluation(r Record, a Accuracy) error {
	set := d.config.Evaluation
	data, err := json.MarshalIndent(evaluation{r.Version, set.Env, set.Problems, set.MaxNew, set.Seed, a}, "", "  ")
	if err != nil {
		return err
	}
	folder := d.core.home.Checkpoint(r.Digest)
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return nil // pruned meanwhile
	}
	return daemon.WriteFile(filepath.Join(folder, lineage.EvaluationFile), append(data, '\n'), 0o644)
}

// unmeasured returns the newest version without an accuracy.
func (d *Daemon) unmeasured(skip map[uint64]bool) (Record, bool, error) {
	records, err := d.core.journal.Versions()
	if err != nil {
		return Record{}, false, err
	}
	for _, r := range slices.Backward(records) {
		if r.Accuracy == nil && !skip[r.Version] {
			return r, true, nil
		}
	}
	return Record{}, false, nil
}

func (d *Daemon) accuracyOf(ctx context.Context, r Record) (Accuracy, error) {
	model, err := d.core.Model(r)
	if err != nil {
		return Accuracy{}, err
	}
	set := d.config.Evaluation
	e, err := env.Lookup(set.Env)
	if err != nil {
		return Accuracy{}, err
	}
	spec := evaluate.Spec{Env: e, Problems: set.Problems, Samples: 1, MaxNew: set.MaxNew, Seed: set.Seed}
	eng := engine.New(model, engine.Options{Threads: set.Threads})
	result, err := evaluate.Run(ctx, eng, d.core.tokenizer, spec, nil)
	if err != nil {
		return Accuracy{}, err
	}
	return Accuracy{Correct: result.Correct, N: result.N, Value: result.Accuracy, Low: result.Low, High: result.High}, nil
}
